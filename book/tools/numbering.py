"""Sphinx extension: the paper's numbers beside this book's, on the equations that are the paper's.

`book/equations.toml` has the labels of such equations. A page shows "(3.2)" and below it
"paper (13)"; the directive

    ```{paper-equations}
    ```

lists the paper's numbers with the equations that carry them.
"""

import hashlib
import re
import tomllib
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

TABLE = Path(__file__).resolve().parents[1] / "equations.toml"
LOGGER = logging.getLogger(__name__)


def table():
    """Return the paper's numbers of this book's equations, by label."""
    return tomllib.loads(TABLE.read_text("utf-8"))


def words(numbers):
    """Return what stands on a page: "paper (19), (20)"."""
    return "paper " + ", ".join(f"({number})" for number in numbers)


def by_number():
    """Return the labels by the paper's numbers, in their order."""
    found = {}
    for label, numbers in table().items():
        for number in numbers:
            found.setdefault(number, []).append(label)
    return dict(sorted(found.items()))


def mark(body, label, numbers):
    """Return a page with one equation's number extended, or as it was where there is none."""
    start = re.escape(f'id="equation-{label}"')
    pattern = re.compile(rf'({start}.*?class="eqno">\([^)<]*\))', re.DOTALL)
    shown = f'<span class="paper-number">{words(numbers)}</span>'
    return pattern.sub(lambda found: found[0] + shown, body, count=1)


def show(app, pagename, templatename, context, doctree):
    """Extend the numbers on a page."""
    equations = app.env.get_domain("math").equations
    for label, numbers in table().items():
        if label in equations and equations[label][0] == pagename:
            marked = mark(context["body"], label, numbers)
            if marked == context["body"]:
                LOGGER.warning("equation %s has no number to extend", label, location=pagename)
            context["body"] = marked


def check(app, env):
    """Warn of labels that no page has."""
    for label in set(table()) - set(env.get_domain("math").equations):
        LOGGER.warning("equations.toml has %s, which no page has", label, location=str(TABLE))


class PaperEquations(SphinxDirective):
    """`{paper-equations}`, see above."""

    def run(self):
        """Return a table of the paper's numbers and this book's."""
        self.env.note_dependency(str(TABLE))
        rows = ["| paper | here |", "|---|---|"]
        for number, labels in by_number().items():
            rows.append(f"| ({number}) | {', '.join(f'{{eq}}`{label}`' for label in labels)} |")
        box = nodes.container()
        self.state.nested_parse(StringList(rows), self.content_offset, box)
        return box.children


def setup(app):
    """Register the extension with Sphinx."""
    app.add_directive("paper-equations", PaperEquations)
    app.connect("env-check-consistency", check)
    app.connect("html-page-context", show)
    return {
        "parallel_read_safe": True,
        "parallel_write_safe": True,
        # Pages show what is in the table: when it changes, all are made anew.
        "env_version": int(hashlib.sha256(TABLE.read_bytes()).hexdigest()[:8], 16),
    }
