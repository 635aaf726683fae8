"""Sphinx extension: the explorer, where a page asks for it.

    :::{explorer} VIEW
    :::

puts `<ptft-explorer view="VIEW">` on the page, and the script that brings it to life; readers
without scripts get a picture and a sentence. Views and script are in `book/explorer/`, the script
as ES modules. Browsers do not load modules from files on a disk, so a build joins them to one
classic script: the book stays readable without a server.
"""

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

SOURCES = Path(__file__).resolve().parents[1] / "explorer"
# A module comes after those that it imports.
MODULES = (
    "ptft",
    "balanced",
    "paper",
    "chart",
    "controls",
    "state",
    "style",
    "panels",
    "explorer",
)
SCRIPT = "explorer.js"
SENTENCE = "This figure can be moved. It needs scripts, which are switched off."
PICTURE = {
    "uri": "/book/_static/overview.png",
    "alt": (
        "Generalization error against fine-tuning samples for four networks on three tasks, "
        "described on the first page."
    ),
}


def bundle():
    """Return all modules as one classic script."""
    parts = [f"const VIEWS = {json.dumps(views())};"]
    parts += [_without_links((SOURCES / f"{name}.mjs").read_text("utf-8")) for name in MODULES]
    return '(() => {\n"use strict";\n' + _shorter("\n".join(parts)) + "})();\n"


def _shorter(script):
    """Leave out comments that fill lines."""
    script = re.sub(r"^ */\*\*.*?\*/\n", "", script, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^ *//.*\n", "", script, flags=re.MULTILINE)


def _without_links(source):
    source = re.sub(r"^import .*;\n", "", source, flags=re.MULTILINE)
    return re.sub(r"^export ", "", source, flags=re.MULTILINE)


def views():
    """Return what each view of the explorer consists of."""
    return json.loads((SOURCES / "views.json").read_text("utf-8"))


class Explorer(nodes.General, nodes.Element):
    """The explorer in a page; its children are for readers without scripts."""


class ExplorerDirective(SphinxDirective):
    """`{explorer} VIEW`, see above."""

    required_arguments = 1

    def run(self):
        """Return the explorer, with a sentence in it and, if it draws errors, a picture."""
        [view] = self.arguments
        if view not in views():
            raise self.error(f"explorer: there is no view {view!r}, but {', '.join(views())}")
        node = Explorer(view=view)
        if "curve" in views()[view]["panels"]:
            node += nodes.image(**PICTURE)
        node += nodes.paragraph("", SENTENCE)
        return [node]


def open_element(writer, node):
    """Write the element's start, up to what only browsers without scripts show."""
    page = writer.builder.get_relative_uri(writer.builder.current_docname, "book/explorer")
    tag = writer.starttag(node, "ptft-explorer", "", view=node["view"], page=page)
    writer.body.append(tag + "<noscript>")


def close_element(writer, node):
    """Write the element's end."""
    writer.body.append("</noscript></ptft-explorer>\n")


def _nothing(writer, node):
    """Leave the element out of other formats: what is in it stands for it."""


def write_script(app):
    """Put the script where the pages look for it."""
    if app.builder.format == "html":
        target = Path(app.outdir, "_static", SCRIPT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(bundle(), encoding="utf-8")


def load_script(app, pagename, templatename, context, doctree):
    """Load the script on pages that have an explorer, and on no other."""
    if doctree is not None and next(doctree.findall(Explorer), None) is not None:
        app.add_js_file(SCRIPT, loading_method="defer")


def setup(app):
    """Register the extension with Sphinx."""
    app.add_directive("explorer", ExplorerDirective)
    other = (_nothing, _nothing)
    app.add_node(Explorer, html=(open_element, close_element), latex=other, text=other)
    app.connect("builder-inited", write_script)
    app.connect("html-page-context", load_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
