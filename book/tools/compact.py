"""Make the HTML of KaTeX's formulas smaller without changing what is seen or heard.

KaTeX writes a formula of ten letters in two thousand characters. Here classes that no rule of its
style sheet mentions are left out, those that are left get short names, and lengths become classes
that all pages share: `T-25500` is `top: -2.55em`. Boxes that only hold a line's height become
pseudo-elements, and elements that then say nothing are dropped. Of MathML the part that repeats the
source is left out.

`style_sheet` makes KaTeX's style sheet fit. It knows lengths from the classes that it finds in
pages, so that pages may be built at different times. A word in MathML is one identifier, not a row
of letters.
"""

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "_static" / "katex" / "katex.min.css"
# Names that scripts, tests and the book's own style sheets use stay as they are.
PUBLIC = (
    "katex",
    "katex-accent",
    "katex-base",
    "katex-display",
    "katex-error",
    "katex-html",
    "katex-mathml",
    "msupsub",
)
PROPERTIES = {
    "height": "H",
    "vertical-align": "V",
    "top": "T",
    "margin-left": "L",
    "margin-right": "R",
    "padding-left": "P",
    "min-width": "W",
    "width": "Z",
    "bottom": "B",
    "margin-top": "M",
    "border-bottom-width": "U",
}
# Lengths of pseudo-elements: of the box that holds a line's height, and of a base's strut.
BOX, STRUT, DEPTH = "X", "Y", "D"
SPACE = "S"  # between a formula's parts: KaTeX's mspace, and its margin
LENGTH = re.compile(r"(-?\d*\.?\d+)em$")
COLD = re.compile(r"^[A-Z]-?\d+$")
SHARED = """\
.katex .katex-base:before{{content:"";display:inline-block}}
.katex .{two}>.{row}:first-child:after{{content:"\\200b";display:table-cell;font-size:1px;\
min-width:2px;vertical-align:bottom;width:2px}}
"""
# Attributes of MathML that say how it would look.
LOOKS = {"columnalign", "columnspacing", "displaystyle", "fence", "lspace", "maxsize", "minsize"}
LOOKS |= {"rowspacing", "rspace", "scriptlevel", "separator", "stretchy"}
SPACED = re.compile(r"margin-right:(-?[\d.]+em);?$")
SHORT = re.compile(r"[_A-Z][\w-]*$")  # what needs no quotes
NO_LETTER = re.compile(r'<mi mathvariant="normal">(?=[^A-Za-zΑ-ω])')  # and so has no slanted form
WORD = re.compile(r'<mrow>((?:<mi mathvariant="normal">[A-Za-z]</mi>){2,})</mrow>')
TOKEN = re.compile(r"<(/?)([\w-]+)((?:\s+[\w:-]+=\"[^\"]*\")*)\s*(/?)>|([^<]+)")
CLASSES = re.compile(r'class=(?:"([^"]*)"|([^\s">]+))')
ATTRIBUTE = re.compile(r'([\w:-]+)="([^"]*)"')


@dataclass
class Element:
    """An element of a formula; text is in its children as it is written."""

    tag: str
    attributes: dict = field(default_factory=dict)
    children: list = field(default_factory=list)

    @property
    def classes(self):
        """The names of its classes."""
        return self.attributes.get("class", "").split()

    def __str__(self):
        quoted = {n: v if SHORT.match(v) else f'"{v}"' for n, v in self.attributes.items() if v}
        named = "".join(f" {name}={value}" for name, value in quoted.items())
        return f"<{self.tag}{named}>{''.join(map(str, self.children))}</{self.tag}>"


@cache
def names():
    """Return short names for the classes in KaTeX's style sheet, but for those that are public."""
    sheet = SOURCE.read_text(encoding="utf-8")
    selectors = " ".join(re.findall(r"(?:^|\})([^{}@]+)\{", sheet))
    found = dict.fromkeys(re.findall(r"\.([A-Za-z][\w-]*)", selectors))
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    short = (f"_{a}{b}" for a in ("", *letters) for b in letters[:26])
    return {name: name if name in PUBLIC else next(short) for name in found}


def compact(html):
    """Return a formula's HTML, as KaTeX writes it, in fewer words."""
    html = WORD.sub(lambda row: f"<mi>{re.sub('<[^>]*>', '', row[1])}</mi>", html)
    root = parse(NO_LETTER.sub("<mi>", html))
    for element in walk(root):
        if "katex-mathml" in element.classes:
            _without_source(element)
        elif "katex-html" in element.classes:
            _slim(element)
    return "".join(map(str, root.children))


def parse(html):
    """Return an element that has a formula's as children."""
    open_ = [Element("root")]
    for end, tag, attributes, empty, text in TOKEN.findall(html):
        if text:
            open_[-1].children.append(text)
        elif end:
            open_.pop()
        else:
            element = Element(tag, dict(ATTRIBUTE.findall(attributes)))
            open_[-1].children.append(element)
            if not empty:
                open_.append(element)
    return open_[0]


def walk(element):
    """Return the elements in one, each before its own; they may change meanwhile."""
    for child in list(element.children):
        if isinstance(child, Element):
            yield child
            yield from walk(child)


def _without_source(element):
    """Keep of MathML, which is for those who listen, what is heard."""
    for child in walk(element):
        for name in LOOKS & child.attributes.keys():
            del child.attributes[name]
    [mathematics] = element.children
    mathematics.attributes.pop("xmlns", None)
    [semantics] = mathematics.children
    [content] = semantics.children[:1]
    mathematics.children = content.children if str(content).startswith("<mrow>") else [content]


def _slim(element):
    """Make what is in a formula's visible part smaller."""
    for child in walk(element):
        _draw_boxes(child)
    for child in walk(element):
        _shorten(child)
    _drop_idle(element, Element("span"))


def _draw_boxes(element):
    """Turn boxes that have a height and nothing in them into the pseudo-elements of `SHARED`."""
    first = element.children[0] if element.children else None
    kinds = first.classes if isinstance(first, Element) else []
    if "katex-strut" in kinds:
        lengths = _lengths(first.attributes["style"])
        marks = [_named(STRUT, lengths["height"])]
        if "vertical-align" in lengths:
            marks.append(_named(DEPTH, lengths["vertical-align"]))
    elif "pstrut" in kinds:
        marks = [_named(BOX, _lengths(first.attributes["style"])["height"])]
    elif "vlist-r" in kinds:  # of two: the first ends with a box that is in the sheet
        first.children = [c for c in first.children if "vlist-s" not in c.classes]
        return
    else:
        return
    element.children = element.children[1:]
    element.attributes["class"] = " ".join([*element.classes, *marks])


def _lengths(style):
    pairs = (part.split(":", 1) for part in style.split(";") if part)
    return {name.strip(): value.strip() for name, value in pairs}


def _named(letter, length):
    """Return the class of a length in units of em, or nothing if it is none."""
    number = LENGTH.match(length)
    return f"{letter}{round(1e4 * float(number[1]))}" if number else ""


def _shorten(element):
    """Keep classes that mean something, by their short names, and turn lengths into classes."""
    known = names()
    if element.classes == ["mspace"] and (space := SPACED.match(element.attributes["style"])):
        element.attributes = {"class": _named(SPACE, space[1])}
        return
    marks = [known.get(name, name) for name in element.classes if name in known or COLD.match(name)]
    style = []
    if element.tag != "svg":
        for name, value in _lengths(element.attributes.get("style", "")).items():
            if (name, value) == ("margin-left", "0em"):  # as it is anyway
                continue
            mark = _named(PROPERTIES[name], value) if name in PROPERTIES else ""
            marks += [mark] * bool(mark)
            style += [f"{name}:{value}"] * (not mark)
        element.attributes["style"] = ";".join(style)
    element.attributes["class"] = " ".join(marks)


def _drop_idle(element, parent):
    """Put the children of elements that say nothing in their place, unless rules count on them."""
    known = names()
    held = {known[name] for name in ("vlist", "katex-inner", "delim-size1", "delim-size4")}
    fixed = held & {*element.classes, *parent.classes}
    children = []
    for child in element.children:
        if isinstance(child, Element):
            _drop_idle(child, element)
            idle = child.tag == "span" and not any(child.attributes.values())
            children += child.children if idle and not fixed else [child]
        else:
            children.append(child)
    element.children = children


def style_sheet(pages):
    """Return KaTeX's style sheet for formulas that were made smaller.

    Parameters
    ----------
    pages : iterable of str
        HTML with all the formulas that there are.
    """
    sheet, known = SOURCE.read_text(encoding="utf-8"), names()
    sheet = re.sub(r',url\([^)]*\.(?:woff|ttf)\) format\("\w+"\)', "", sheet)
    rule = r"(?<=[}])[^{}@]+(?=\{)"
    sheet = re.sub(rule, lambda selectors: _renamed(selectors[0], known), sheet)
    shared = SHARED.format(two=known["vlist-t2"], row=known["vlist-r"])
    marks = {mark for page in pages for mark in lengths_in(page)}
    return sheet + shared + "".join(map(length_rule, sorted(marks)))


def _renamed(selectors, known):
    return re.sub(r"\.([A-Za-z][\w-]*)", lambda m: f".{known.get(m[1], m[1])}", selectors)


def lengths_in(page):
    """Return the classes of lengths in a page."""
    classes = {a or b for a, b in CLASSES.findall(page.replace('\\"', '"'))}
    return {mark for some in classes for mark in some.split() if COLD.match(mark)}


def length_rule(mark):
    """Return the rule of a class that is a length."""
    value = f"{int(mark[1:]) / 1e4:.4f}".rstrip("0").rstrip(".").replace("0.", ".") + "em"
    if mark[0] == SPACE:
        return f".{mark}{{display:inline-block;margin-right:{value}}}\n"
    if mark[0] == BOX:
        box = 'content:"";display:inline-block;overflow:hidden;width:0'
        return f".{mark}:before{{{box};height:{value}}}\n"
    before = {STRUT: "height", DEPTH: "vertical-align"}
    if mark[0] in before:
        return f".{mark}:before{{{before[mark[0]]}:{value}}}\n"
    [name] = [name for name, letter in PROPERTIES.items() if letter == mark[0]]
    return f".{mark}{{{name}:{value}!important}}\n"
