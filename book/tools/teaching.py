"""Sphinx extension: what a teacher plans with, read from the chapters when the book is built.

    ```{exercise-table}         every exercise, how hard it is, and how long it takes
    ```{section-times}          minutes a section
    ```{chapter-map}            which chapter needs which, as a drawing
    ```{chapter-table}          the same in words, with what to show and what may be skipped

An exercise begins with its level and its minutes, and ends with a hint:

    *Easy, 10 minutes.*
"""

import html
import re
import tomllib
from pathlib import Path
from typing import NamedTuple

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

BOOK = Path(__file__).resolve().parents[1]
LEVELS = ("Easy", "Medium", "Hard")
EXERCISE = re.compile(
    r"^```\{exercise-start\} *(?P<title>[^\n]*)\n:label: (?P<label>\S+)\n```\n(?P<body>.*?)"
    r"^```\{exercise-end\}\n.*?"
    r"^`{3,}\{solution-start\} (?P=label)\n(?P<solution>.*?)\{solution-end\}",
    re.DOTALL | re.MULTILINE,
)
DEMAND = re.compile(r"\A\*(?P<level>[A-Z][a-z]+), (?P<minutes>\d+) minutes\.\*\n")
HINT = re.compile(r"^:::\{hint\}\n:class: dropdown\n.+?\n:::\n\Z", re.DOTALL | re.MULTILINE)
FENCED = re.compile(r"^(`{3,}|:{3,})\{([\w-]+)\}.*?^\1", re.DOTALL | re.MULTILINE)
# Minutes: how fast a reader who follows every step is.
WORDS, FORMULA, FIGURE = 1 / 160, 0.75, 1.0


class Exercise(NamedTuple):
    """An exercise of a chapter; `level` and `minutes` are empty or 0 where it does not say."""

    page: str
    label: str
    title: str
    level: str
    minutes: int
    hint: bool
    solution: str


def chapters(toc=BOOK.parent / "_toc.yml"):
    """Return the names of the numbered chapters in their order."""
    parts = yaml.safe_load(Path(toc).read_text("utf-8"))["parts"]
    return [Path(c["file"]).name for p in parts if p.get("numbered") for c in p["chapters"]]


def plans():
    """Return what `chapters.toml` says, by chapter."""
    return tomllib.loads((BOOK / "chapters.toml").read_text("utf-8"))


def exercises(page):
    """Return the exercises of a chapter."""
    text = (BOOK / f"{page}.md").read_text("utf-8")
    return [_exercise(page, found) for found in EXERCISE.finditer(text)]


def _exercise(page, found):
    demand = DEMAND.match(found["body"])
    level, minutes = (demand["level"], int(demand["minutes"])) if demand else ("", 0)
    hint = HINT.search(found["body"]) is not None
    return Exercise(page, found["label"], found["title"], level, minutes, hint, found["solution"])


def title(page):
    """Return a chapter's title."""
    text = (BOOK / f"{page}.md").read_text("utf-8")
    return re.search(r"^# (.*)$", text, re.MULTILINE)[1]


def sections(page):
    """Return title and minutes of each section of a chapter, without exercises and summary."""
    text = (BOOK / f"{page}.md").read_text("utf-8")
    text = EXERCISE.sub("", text)
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
    found = dict(zip(parts[1::2], map(minutes, parts[2::2]), strict=True))
    return {name: time for name, time in found.items() if name not in ("Exercises", "Summary")}


def minutes(text):
    """Return for how long a text is read, without its code: a whole number of minutes."""
    formulas = text.count("\n$$") / 2
    figures = len(re.findall(r"^ +caption:", text, re.MULTILINE))
    prose = FENCED.sub(_prose, text)
    prose = re.sub(r"^\$\$.*?^\$\$", "", prose, flags=re.DOTALL | re.MULTILINE)
    return max(1, round(len(prose.split()) * WORDS + formulas * FORMULA + figures * FIGURE))


def _prose(fence):
    return "" if fence[2] in ("code-cell", "explorer") else fence[0]


class Markdown(SphinxDirective):
    """A directive that writes Markdown."""

    def lines(self):
        """Return the lines to parse in its place."""
        raise NotImplementedError

    def run(self):
        """Parse the lines."""
        for page in chapters():
            self.env.note_dependency(str(BOOK / f"{page}.md"))
        self.env.note_dependency(str(BOOK / "chapters.toml"))
        box = nodes.container()
        self.state.nested_parse(StringList(self.lines()), self.content_offset, box)
        return box.children


class ExerciseTable(Markdown):
    """`{exercise-table}`, see above."""

    def lines(self):
        """Return one row an exercise."""
        rows = ["| chapter | exercise | level | minutes |", "|---|---|---|---:|"]
        for page in chapters():
            for one in exercises(page):
                link = f"{{ref}}`{one.title} <{one.label}>`"
                rows.append(f"| {{doc}}`{page}` | {link} | {one.level.lower()} | {one.minutes} |")
        return rows


class SectionTimes(Markdown):
    """`{section-times}`, see above."""

    def lines(self):
        """Return one entry a chapter."""
        found = []
        for page in chapters():
            parts = sections(page)
            times = " · ".join(f"{name} {time}" for name, time in parts.items())
            found += [f"{{doc}}`{page}`, {sum(parts.values())}", f": {times}", ""]
        return found


class ChapterTable(Markdown):
    """`{chapter-table}`, see above."""

    def lines(self):
        """Return one row a chapter."""
        rows = ["| chapter | needs | what to show | what may be skipped |", "|---|---|---|---|"]
        for page in chapters():
            plan = plans()[page]
            needs = ", ".join(f"{{doc}}`{name}`" for name in plan["needs"]) or "nothing"
            rows.append(f"| {{doc}}`{page}` | {needs} | {plan['show']} | {plan['skip']} |")
        return rows


class ChapterMap(SphinxDirective):
    """`{chapter-map}`, see above."""

    def run(self):
        """Return the drawing."""
        self.env.note_dependency(str(BOOK / "chapters.toml"))
        return [nodes.raw("", drawing(chapters()), format="html")]


BOX, GAP = (136, 44), (18, 26)


def drawing(pages):
    """Return the map as an SVG element: an arrow leads from a chapter to one that needs it."""
    needs = {page: [n for n in plans()[page]["needs"] if n in pages] for page in pages}
    places = _places(needs)
    width = max(x for x, _ in places.values()) + BOX[0] + 2
    height = max(y for _, y in places.values()) + BOX[1] + 2
    words = "; ".join(
        f"{title(p)} needs {' and '.join(map(title, needs[p])) or 'nothing'}" for p in pages
    )
    arrows = "".join(_arrow(places[n], places[p]) for p in pages for n in _direct(p, needs))
    boxes = "".join(_box(i, p, places[p]) for i, p in enumerate(pages, start=1))
    return (
        f'<svg class="chapter-map" viewBox="-1 -1 {width} {height}" role="group" width="{width}"'
        f' aria-label="{html.escape(words)}">{arrows}{boxes}</svg>'
    )


def _direct(page, needs):
    """Return what a chapter needs and none of its other needs brings along."""
    brought = {far for near in needs[page] for far in _all(near, needs)}
    return [name for name in needs[page] if name not in brought]


def _all(page, needs):
    found = set(needs[page])
    for name in needs[page]:
        found |= _all(name, needs)
    return found


def _places(needs):
    """Return the corner of each chapter's box: as deep as the longest way to it."""
    depth = {}
    for page, before in needs.items():
        depth[page] = 1 + max((depth[name] for name in before), default=-1)
    rows = {}
    for page, level in depth.items():
        rows.setdefault(level, []).append(page)
    step = (BOX[0] + GAP[0], BOX[1] + GAP[1])
    return {
        p: (i * step[0], level * step[1]) for level, row in rows.items() for i, p in enumerate(row)
    }


def _arrow(start, end):
    (x0, y0), (x1, y1) = start, end
    x0, y0, x1 = x0 + BOX[0] / 2, y0 + BOX[1], x1 + BOX[0] / 2
    return (
        f'<path d="M{x0:g} {y0:g} C{x0:g} {y0 + GAP[1]:g} {x1:g} {y1 - GAP[1]:g} {x1:g} {y1:g}"/>'
    )


def _box(number, page, place):
    x, y = place
    lines = _wrap(f"{number} {title(page)}")
    middle = y + BOX[1] / 2 + 4 - 7 * (len(lines) - 1)
    spans = "".join(
        f'<tspan x="{x + BOX[0] / 2:g}" y="{middle + 14 * i:g}">{html.escape(line)}</tspan>'
        for i, line in enumerate(lines)
    )
    rectangle = f'<rect x="{x}" y="{y}" width="{BOX[0]}" height="{BOX[1]}" rx="5"/>'
    return f'<a href="{page}.html">{rectangle}<text>{spans}</text></a>'


def _wrap(text, width=22):
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines[:3]


def setup(app):
    """Register the extension with Sphinx."""
    app.add_directive("exercise-table", ExerciseTable)
    app.add_directive("section-times", SectionTimes)
    app.add_directive("chapter-table", ChapterTable)
    app.add_directive("chapter-map", ChapterMap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
