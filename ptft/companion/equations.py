"""Where each numbered equation of the paper is: an index made from the package's docstrings.

A docstring that has to do with an equation names it by its number in the paper. The
folders of the second paper and of the vision experiments are left out.
"""

import ast
import html
import re
from pathlib import Path

from ._shown import table_class

__all__ = ["cited", "index", "table"]

_ROOT = Path(__file__).parents[1]
_FOLDERS = ("model", "theory", "training", "sweeps", "companion")
_RANGE = re.compile(r"\((\d+)\)(?:(?:-|\s+to\s+)\((\d+)\))?")
_CITED = re.compile(
    rf"\b(?:equation|inequalit)(?:s|y|ies)?\s+{_RANGE.pattern}(?:,?\s+(?:and\s+)?{_RANGE.pattern})*",
    re.IGNORECASE,
)


def cited(text):
    """Return the numbers of the equations that a text names, a set of int."""
    ranges = (found for phrase in _CITED.finditer(text) for found in _RANGE.findall(phrase[0]))
    return {n for first, last in ranges for n in range(int(first), int(last or first) + 1)}


def index():
    """Return the equations that the package has to do with, and where.

    Returns
    -------
    dict of int to dict of str to str
        By the equation's number in the paper: names of public functions, classes and methods, as
        seen from `ptft`, each with the first sentence of its docstring. A module is named where
        none of its members is.
    """
    found = {}
    for path in sorted(path for folder in _FOLDERS for path in (_ROOT / folder).glob("[a-z]*.py")):
        for number, places in _index_of(path).items():
            found.setdefault(number, {}).update(places)
    return dict(sorted(found.items()))


def _index_of(path):
    """Return the part of the index that one module makes."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    name = ".".join(path.relative_to(_ROOT).with_suffix("").parts)
    found = {}
    for member, text in [*_docstrings(module, name), (name, ast.get_docstring(module))]:
        for number in cited(text):
            if member != name or number not in found:
                found.setdefault(number, {})[member] = _summary(text)
    return found


def _docstrings(node, name):
    """Yield name and docstring of each public function, class and method."""
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.ClassDef) and not child.name.startswith("_"):
            yield f"{name}.{child.name}", ast.get_docstring(child) or ""
            if isinstance(child, ast.ClassDef):
                yield from _docstrings(child, f"{name}.{child.name}")


def _summary(text):
    return " ".join(text.partition("\n\n")[0].split())


def table(page="package.html"):
    """Return the index as a table, to be shown in a notebook.

    Parameters
    ----------
    page : str
        Where the names are documented.

    Returns
    -------
    IPython.display.HTML
    """
    shown = table_class()
    places = [(number, *place) for number, found in index().items() for place in found.items()]
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Equation", "In `ptft`", "What"))
    numbers = [None, *(number for number, *_ in places)]
    rows = (
        _row(f"({number})" if number != before else "", page, *place)
        for before, (number, *place) in zip(numbers, places, strict=False)
    )
    table = f"<table>\n<thead><tr>{heads}</tr></thead>\n" + "\n".join(rows) + "\n</table>"
    return shown(table, [f"({n}): `{name}`. {text}" for n, name, text in places])


def _row(number, page, name, summary):
    anchor = f"ptft.{name}" if name.count(".") > 1 else f"module-ptft.{name}"
    link = f'<a href="{page}#{anchor}"><code>{name}</code></a>'
    return f"<tr><td>{number}</td><td>{link}</td><td>{html.escape(summary)}</td></tr>"
