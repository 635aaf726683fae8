"""Equations that are the paper's carry its number, and its figures are called its own."""

import re

import numbering
import pytest

NUMBERED = set(range(1, 47)) - {43}  # the paper has no equation (43)
CELL = re.compile(r"^```\{code-cell\}.*?^```", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def chapters(repository):
    pages = sorted((repository / "book").glob("*.md"))
    return {page.stem: page.read_text(encoding="utf-8") for page in pages}


def test_labels_are_there_and_numbers_are_the_papers(chapters):
    text = "\n".join(chapters.values())
    labels = set(re.findall(r"^\$\$ \(([\w-]+)\)$|^:label: ([\w-]+)$", text, re.MULTILINE))
    labels = {one or other for one, other in labels}
    assert set(numbering.table()) <= labels
    assert set(numbering.by_number()) <= NUMBERED


def test_what_the_theory_is_made_of_is_marked():
    marked = set(numbering.by_number())
    assert set(range(11, 26)) <= marked
    assert {1, 2, 3, 4, 5, 6, 27, 28, 38} <= marked


def test_an_equation_shows_both_numbers():
    body = '<div id="equation-a"><span class="eqno">(3.1)<a href="#">#</a></span>x</div>'
    other = body.replace("equation-a", "equation-b")
    marked = numbering.mark(other + body, "a", [19, 20])
    extended = '(3.1)<span class="paper-number">paper (19), (20)</span><a'
    assert marked == other + body.replace("(3.1)<a", extended)


def test_an_equation_without_a_number_stays():
    assert (
        numbering.mark('<div id="equation-a">x</div>', "a", [1]) == '<div id="equation-a">x</div>'
    )


def prose_of(text):
    """Return a page without its code and its tables, but with its captions."""
    head = re.compile(r"^```\{code-cell\}[^\n]*\n(?:---\n.*?^---\n)?", re.DOTALL | re.MULTILINE)
    text = CELL.sub(lambda cell: head.match(cell[0])[0], text)
    return "\n".join(line for line in text.splitlines() if not line.startswith("| "))


def test_figures_of_the_paper_are_called_so(chapters):
    """The book's own figures are referred to by roles, never by a typed number."""
    for name, text in chapters.items():
        prose = prose_of(text)
        for found in re.finditer(r"\bFig(?:ure|s?\.)s? \d", prose):
            before = " ".join(prose[: found.start()].split())
            assert before.endswith("aper's"), f"{name}: {found[0]}"
