"""Every exercise has a level, a hint and a tested solution; the plan covers every chapter."""

import re
from xml.etree import ElementTree

import counts
import pytest
import teaching

CHAPTERS = teaching.chapters()


@pytest.mark.parametrize("page", CHAPTERS)
def test_every_exercise_has_a_level_a_hint_and_a_tested_solution(page):
    found = teaching.exercises(page)
    assert 2 <= len(found) <= 5
    for one in found:
        assert one.title, one.label
        assert one.level in teaching.LEVELS, one.label
        assert one.minutes in range(5, 61, 5), one.label
        assert one.hint, one.label
        assert re.search(r"^\s*assert\b|^\s*assert_zero\(", one.solution, re.M), one.label


def test_the_count_of_exercises_is_that_of_the_chapters():
    count = sum(len(teaching.exercises(page)) for page in CHAPTERS)
    assert counts.numbers()["n_exercises"] == str(count)


def test_the_counts_of_claims_add_up():
    found = {name: int(count) for name, count in counts.numbers().items()}
    assert found["n_reproduced"] + found["n_rest"] == found["n_claims"]


def test_an_exercise_that_says_nothing_of_itself(monkeypatch, tmp_path):
    text = (
        "```{exercise-start} T\n:label: ex\n```\nDo it.\n```{exercise-end}\n```\n\n"
        "```{solution-start} ex\n```\nDone.\n```{solution-end}\n```\n"
    )
    monkeypatch.setattr(teaching, "BOOK", tmp_path)
    (tmp_path / "page.md").write_text(text)
    [one] = teaching.exercises("page")
    assert (one.title, one.level, one.minutes, one.hint) == ("T", "", 0, False)


def test_the_plan_has_every_chapter_and_its_needs():
    plans = teaching.plans()
    assert set(CHAPTERS) <= set(plans)
    for place, page in enumerate(CHAPTERS):
        assert set(plans[page]["needs"]) <= set(CHAPTERS[:place])
        assert set(plans[page]) == {"needs", "show", "skip"}


@pytest.mark.parametrize("page", CHAPTERS)
def test_sections_take_minutes(page):
    found = teaching.sections(page)
    assert len(found) >= 4
    assert not {"Exercises", "Summary"} & set(found)
    assert all(1 <= time <= 25 for time in found.values())


def test_minutes_count_text_formulas_and_figures_but_no_code():
    assert teaching.minutes("word " * 320) == 2
    code = "```{code-cell} ipython3\n" + "word " * 320 + "\n```\n"
    assert teaching.minutes("word " * 320 + "\n" + code) == 2
    assert teaching.minutes("\n$$\nx\n$$\n" * 4) == 3


def test_the_map_is_a_drawing_that_can_be_read_aloud():
    root = ElementTree.fromstring(teaching.drawing(CHAPTERS))
    assert root.get("role") == "group"  # an image would hide its links
    links = [element.get("href") for element in root.iter("a")]
    assert links == [f"{page}.html" for page in CHAPTERS]
    for page in CHAPTERS:
        assert teaching.title(page) in root.get("aria-label")
    shown = ["".join(text.itertext()) for text in root.iter("text")]
    assert shown[0].startswith("1")
    boxes = [(r.get("x"), r.get("y")) for r in root.iter("rect")]
    assert len(set(boxes)) == len(CHAPTERS)


def test_arrows_leave_out_what_another_arrow_implies():
    needs = {"a": [], "b": ["a"], "c": ["a", "b"]}
    assert teaching._direct("c", needs) == ["b"]
    assert teaching._places(needs)["c"][1] > teaching._places(needs)["b"][1]
