"""Sphinx extension: what a symbol means, shown to who points at it in any formula.

The meanings are those of the page "Notation". When all pages are written, its tables become a
script that `reading.js` loads when a reader first points at a formula. A symbol has a name there:
letter, index and exponent, as they stand in KaTeX's HTML, `ρ_FT^`. Pages need no marks for it. What
"One letter, two meanings" says of a letter is added to its tip.
"""

import json
import re
from pathlib import Path

from bs4 import BeautifulSoup

PAGE, SCRIPT = "book/notation.html", "symbols.js"
LETTER = re.compile(r"[^\W\d_]+$")
HOLLOW = re.compile(r"[\s\u200b]")


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("build-finished", write, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write(app, exception):
    """Write the script of the symbols' meanings."""
    page = Path(app.outdir, PAGE)
    if exception is None and app.builder.format == "html" and page.is_file():
        found = meanings(page.read_text(encoding="utf-8"))
        text = f"window.ptftSymbols = {json.dumps(found, ensure_ascii=False)};\n"
        Path(app.outdir, "_static", SCRIPT).write_text(text, encoding="utf-8")


def meanings(html):
    """Return HTML of what each symbol means, by the symbol's name.

    Parameters
    ----------
    html : str
        The page "Notation".
    """
    page, found = BeautifulSoup(html, "html.parser"), {}
    for row in rows(page, "symbol"):
        for formula in row[0].select(".math"):
            for name in names(formula):
                found.setdefault(name, []).append(_entry(formula, row))
    texts = {name: "".join(dict.fromkeys(entries)) for name, entries in found.items()}
    for letter, _, there in rows(page, "letter"):
        [name] = names(letter.select_one(".math"))
        texts[name] = texts.get(name, "") + f'<p class="elsewhere">Elsewhere: {_bare(there)}.</p>'
    return texts


def rows(page, heading):
    """Return the cells of each row of the tables whose first column has a heading."""
    return [
        row.find_all("td")
        for table in page.select("article table")
        if (head := table.find("th")) and head.get_text(strip=True) == heading
        for row in table.select("tbody tr")
    ]


def names(formula):
    """Return the names of the symbols that a formula of the table introduces.

    That is its first letter; where it is a list, of each part.
    """
    [visible] = formula.select(".katex-html")
    found, new, round_ = [], True, "(" in visible.get_text()
    for text in visible.find_all(string=True):
        leaf, word = text.parent, HOLLOW.sub("", text)
        if leaf.find_parent(class_="msupsub") or not word:
            continue
        if new and LETTER.match(word) and not leaf.find(True):
            found.append(name(leaf))
            new = False
        new = new or (not round_ and word.startswith(","))
    return found


def name(leaf):
    """Return a symbol's name; `leaf` is the element of its letter."""
    accent = leaf.find_parent(class_="katex-accent")
    beside = (accent or leaf).find_next_sibling()
    below, above = _marks(beside) if beside and "msupsub" in beside.get("class", ()) else ("", "")
    return f"{HOLLOW.sub('', leaf.get_text())}{'^' if accent else ''}_{below}^{above}"


def _marks(beside):
    """Return index and exponent."""
    stacked = beside.find_all("span", recursive=False)[0].find_all("span", recursive=False)
    boxes = stacked[0].find("span").find_all("span", recursive=False)
    items = [HOLLOW.sub("", box.get_text()) for box in boxes]
    if len(stacked) == 1:
        return "", items[0]
    return tuple(items) if len(items) > 1 else (items[0], "")


def _entry(formula, row):
    """Return what a tip says of a symbol: its meaning, the paper's equation and the chapter."""
    meaning, paper, chapter = row[1], row[2].get_text(strip=True), row[4].get_text(strip=True)
    where = f"Chapter {chapter}" + (f"; paper {paper}" if paper else "")
    return f"<p>{_bare(formula)} {_bare(meaning)}. <small>{where}.</small></p>"


def _bare(element):
    """Return what is in an element, without links and without what only those who listen need."""
    copy = BeautifulSoup(element.decode_contents(), "html.parser")
    for part in copy.select(".katex-mathml"):
        part.decompose()
    for part in copy.find_all(["a", "p"]):
        part.unwrap()
    return copy.decode(formatter="minimal").strip()
