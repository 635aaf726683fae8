"""Sphinx extension: what a link leads to, shown where the link is.

When all pages are written, each gets a script with the equations, theorems, figures' captions,
terms and works that its links lead to; `reading.js` shows them to who points at such a link or
reaches it by keyboard. It is a script, not fetched data, so that it works from a folder, too, and
it is loaded when the first is asked for.
"""

import copy
import json
from pathlib import Path, PurePosixPath
from urllib.parse import urldefrag, urljoin

import symbols
from bs4 import BeautifulSoup

FOLDER = "tips"
LONGEST = 6000  # characters of HTML; what is longer is better read at its place
# What is shown of a target: the element itself, or what holds it.
SHOWN = {"div": ("math", "proof", "citation", "admonition"), "dt": (), "figure": ()}


def tip(target):
    """Return the HTML to show for an element that a link leads to, or nothing."""
    kinds = SHOWN.get(target.name)
    if kinds is None or (kinds and not set(kinds) & set(target.get("class", ()))):
        return ""
    if target.name == "dt" and not target["id"].startswith("term-"):
        return ""  # the package's names: who points at one wants its page
    shown = [target.find_next_sibling("dd")] if target.name == "dt" else [target]
    if target.name == "figure":
        shown = target.find_all("figcaption")
    parts = [_bare(part) for part in shown if part is not None]
    text = "".join(part.decode_contents() for part in parts).strip()
    return text if len(text) <= LONGEST else ""


def _bare(element):
    """Return a copy without anchors: identifiers must not be there twice."""
    element = copy.copy(element)
    for link in element.select("a.headerlink"):
        link.decompose()
    for part in element.find_all(True):
        part.attrs.pop("id", None)
        if part.name == "a":  # a tip is read, not followed
            part.name = "span"
            part.attrs = {}
    return element


def targets(page):
    """Return what a page's links may lead to, by identifier."""
    found = {element["id"]: tip(element) for element in page.select("article [id]")}
    return {name: text for name, text in found.items() if text}


def wanted(page):
    """Return the addresses of a page's links that lead to a place."""
    links = page.select("article a.reference.internal[href], article details.check a[href]")
    return {link["href"] for link in links if "#" in link["href"]}


def scripts(pages):
    """Return each page's tips, by the links' addresses.

    Parameters
    ----------
    pages : mapping of str to str
        HTML by the page's path.

    Returns
    -------
    dict of str to dict of str to str
    """
    parsed = {path: BeautifulSoup(text, "html.parser") for path, text in pages.items()}
    known = {path: targets(page) for path, page in parsed.items()}
    return {path: dict(_tips(path, page, known)) for path, page in parsed.items()}


def _tips(path, page, known):
    for href in sorted(wanted(page)):
        target, anchor = urldefrag(urljoin(path, href))
        if text := known.get(target or path, {}).get(anchor):
            yield href, text


def write(app, exception):
    """Write the tips of all pages."""
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    pages = {p.relative_to(out).as_posix(): p.read_text("utf-8") for p in out.glob("book/*.html")}
    folder = out / "_static" / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for path, tips in scripts(pages).items():
        text = f"window.ptftTips = {json.dumps(tips, ensure_ascii=False)};\n"
        (folder / f"{PurePosixPath(path).stem}.js").write_text(text, "utf-8")


def load(app, pagename, templatename, context, doctree):
    """Say on a page where its tips are, and the symbols' meanings: `reading.js` loads them."""
    if doctree is not None:
        files = {"tips": f"{FOLDER}/{PurePosixPath(pagename).name}.js", "symbols": symbols.SCRIPT}
        places = {name: context["pathto"](f"_static/{path}", 1) for name, path in files.items()}
        app.add_js_file(None, body=f"window.ptftTipsAt = {json.dumps(places)};")


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("html-page-context", load)
    app.connect("build-finished", write, priority=900)  # after all that change pages
    return {"parallel_read_safe": True, "parallel_write_safe": True}
