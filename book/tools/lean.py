"""Sphinx extension: a page loads the scripts and style sheets that it uses, and no others.

The theme and the extensions bring theirs to every page; the theme's search index alone would be a
fifth of a page. Of style sheets the rules stay that some page has use for: a fifth of the theme's.
"""

import re
import zlib
from functools import partial
from pathlib import Path

from purge import purge, words

# What a page must have in it, as a pattern, for the files that are named so to be of use.
NEEDS = {
    "sphinx-thebe": None,
    "sphinx_highlight": None,  # for Sphinx's own search
    "sphinx-design": r'class="[^"]*\bsd-',
    "design-tabs": r'class="[^"]*\bsd-',
    "togglebutton": r'class="[^"]*\b(toggle|dropdown)\b',
    "proof": r'class="[^"]*\bproof\b',
    "exercise": r'class="[^"]*\b(exercise|solution)\b',
    "clipboard": r'class="highlight',
    "copybutton": r'class="highlight',
    "katex": r'class="katex',
    "mystnb": r'class="[^"]*\bcell\b',
}
SEARCH = re.compile(
    r"\s*<script src=\"[^\"]*(searchtools|language_data|searchindex)\.js\"></script>"
)
THEBE = re.compile(
    r"\s*<script( type=\"text/x-thebe-config\")?>(?=\s*\{|kernelName).*?</script>", re.S
)
CODE = re.compile(r'<div class="highlight.*?</pre>|<dt class="sig\b.*?</dt>', re.S)
# Names, brackets and blanks look like the code around them, in both of the theme's styles.
IDLE = re.compile(r'<span class="(?:n|p|w|pre)">([^<]*)</span>')
KIND = re.compile(r'<span class="([a-z0-9]{1,2})">')
# Scripts that only hold what pages say, and Bootstrap, of which the theme has tips and menus.
OTHERS = ("sections.js", "symbols.js", "bootstrap.js")
BOOTSTRAP = {"collapsing", "fade", "show", "tooltip", "tooltip-arrow", "tooltip-inner"}
SHEET = re.compile(r'href="((?:\.\./)*_static/[^"?]*\.css)(?:\?[^"]*)?"')


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("html-page-context", leave_out, priority=950)
    app.connect("build-finished", drop_search)
    app.connect("build-finished", slim_sheets, priority=950)  # when all pages and sheets are there
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def leave_out(app, pagename, templatename, context, doctree):
    """Take from a page's lists of files what it does not use."""
    body = CODE.sub(_fewer_words, context.get("body", ""))
    # a list has items for those who listen, which the parts of a bibliography are
    context["body"] = body.replace('role="doc-biblioentry"', 'role="listitem"')
    for kind in ("script_files", "css_files"):
        context[kind][:] = [file for file in context[kind] if used(file, body)]


def _fewer_words(code):
    return KIND.sub(r"<span class=\1>", IDLE.sub(r"\1", code[0]))


def used(file, body):
    """Return whether a page with the text `body` has use for a script or style sheet."""
    name = Path(str(file.filename or "")).name
    content = f"{file.attributes.get('body') or ''}"
    if "THEBE_JS_URL" in content:
        return False
    for start, pattern in NEEDS.items():
        if name.startswith(start):
            return pattern is not None and re.search(pattern, body) is not None
    return True


def drop_search(app, exception):
    """Take the theme's search out of all pages: see `finder.py` for the book's."""
    if exception is not None or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        lean = THEBE.sub("", SEARCH.sub("", text))
        if lean != text:
            path.write_text(lean, encoding="utf-8")


def slim_sheets(app, exception):
    """Drop rules that no page uses, and tell browsers which sheets are new."""
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    pages = {path: path.read_text(encoding="utf-8") for path in out.rglob("*.html")}
    files = (path for path in out.glob("_static/**/*.js") if path.name not in OTHERS)
    scripts = (path.read_text(encoding="utf-8") for path in files)
    used = words(pages.values(), scripts) | BOOTSTRAP
    for sheet in out.glob("_static/**/*.css"):
        sheet.write_text(purge(sheet.read_text(encoding="utf-8"), used), encoding="utf-8")
    for path, text in pages.items():
        dated = SHEET.sub(partial(_dated, path.parent), text)
        path.write_text(dated, encoding="utf-8")


def _dated(folder, link):
    """Return a link to a sheet with a number that changes when the sheet does."""
    sheet = folder / link[1]
    if not sheet.is_file():
        return link[0]
    return f'href="{link[1]}?v={zlib.crc32(sheet.read_bytes()):08x}"'
