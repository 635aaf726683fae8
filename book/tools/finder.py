"""Sphinx extension: what the search page looks through, each section's text as readers see it.

Sphinx's own index has stems in place of words and TeX in place of formulas, and it reads pages over
a network to quote them. Here a script, `_static/sections.js`, holds the sections' text, formulas
with their Greek letters; `_static/finder.js` looks through it, also without a server.
"""

import json
from html.parser import HTMLParser
from pathlib import Path

SCRIPT = "sections.js"
VOID = {"area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
SILENT_TAGS = {"script", "style", "annotation", "button", "noscript", "svg"}
SILENT_CLASSES = {"katex-html", "headerlink", "cell_input", "viewcode-link", "toctree-wrapper"}
INLINE = {"a", "b", "code", "em", "i", "span", "strong", "sub", "sup"}
FORMULA = {"math", "semantics", "mrow", "mi", "mo", "mn", "msub", "msup", "msubsup", "mtext"}


class Sections(HTMLParser):
    """The sections of one page: identifier, title and text of each."""

    def __init__(self):
        super().__init__()
        self.found = []
        self._open = []  # of each open element: its tag, whether it is silent, its section
        self._heading = None

    def handle_starttag(self, tag, attrs):
        """Begin a section, or an element in one."""
        if tag in VOID:
            self._space(tag)
            return
        attributes = dict(attrs)
        _, silent, section = self._open[-1] if self._open else ("", True, None)
        if tag == "article":
            silent = False
        classes = set((attributes.get("class") or "").split())
        silent = silent or tag in SILENT_TAGS or bool(classes & SILENT_CLASSES)
        if not silent and attributes.get("id") and tag in ("section", "dt"):
            section = {"id": attributes["id"], "title": [], "text": []}
            self.found.append(section)
            self._heading = section
            if tag == "dt":  # an object of the package: the text that follows is about it
                self._name_object(section, attributes["id"])
        self._open.append((tag, silent, section))
        self._space(tag)

    def _name_object(self, section, name):
        section["title"].append(name)
        if self._open:  # its definition stands beside it, in the element around both
            tag, silent, _ = self._open[-1]
            self._open[-1] = (tag, silent, section)

    def handle_endtag(self, tag):
        """End an element."""
        if tag in VOID or all(tag != each for each, *_ in self._open):
            return
        while self._open.pop()[0] != tag:
            pass
        self._space(tag)

    def _space(self, tag):
        if tag not in INLINE and tag not in FORMULA and self._open and self._open[-1][2]:
            self._open[-1][2]["text"].append(" ")

    def handle_data(self, data):
        """Add text to the section that it is in."""
        if not self._open:
            return
        _, silent, section = self._open[-1]
        if silent or section is None:
            return
        headings = ("h1", "h2", "h3", "h4")
        title = section is self._heading and any(tag in headings for tag, *_ in self._open)
        section["title" if title else "text"].append(data)


def sections(html):
    """Return identifier, title and text of each section of a page."""
    parser = Sections()
    parser.feed(html)
    joined = (
        (each["id"], *(" ".join("".join(each[part]).split()) for part in ("title", "text")))
        for each in parser.found
    )
    return [each for each in joined if each[1]]


def pages(folder):
    """Return for each page of a built book its address, its title and its sections."""
    found = []
    for path in sorted(folder.glob("book/*.html")):
        parts = sections(path.read_text(encoding="utf-8"))
        if parts:
            found.append((path.relative_to(folder).as_posix(), parts[0][1], parts))
    return found


def write(app, exception):
    """Write the script with all sections."""
    if exception is None and app.builder.format == "html":
        folder = Path(app.outdir)
        text = json.dumps(pages(folder), ensure_ascii=False, separators=(",", ":"))
        (folder / "_static" / SCRIPT).write_text(f"const PAGES = {text};\n", encoding="utf-8")


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
