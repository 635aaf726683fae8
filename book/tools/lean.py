"""Sphinx extension: a page loads the scripts and style sheets that it uses, and no others.

The theme and the extensions bring theirs to every page; the theme's search index alone would be a
fifth of a page.
"""

import re
from pathlib import Path

# What a page must have in it, as a pattern, for the files that are named so to be of use.
NEEDS = {
    "sphinx-thebe": None,
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


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("html-page-context", leave_out, priority=950)
    app.connect("build-finished", drop_search)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def leave_out(app, pagename, templatename, context, doctree):
    """Take from a page's lists of files what it does not use."""
    body = context.get("body", "")
    # a list has items for those who listen, which the parts of a bibliography are
    context["body"] = body.replace('role="doc-biblioentry"', 'role="listitem"')
    for kind in ("script_files", "css_files"):
        context[kind][:] = [file for file in context[kind] if used(file, body)]


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
