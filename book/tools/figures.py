"""Sphinx extension: drawings come in four, for light pages and dark, wide and narrow.

Cells draw SVG without a ground, and a second one for phones, with the panels one below the other,
that the first carries with it (see `ptft.companion.plotting`). A build makes them smaller, writes
one for dark pages beside each, and shows the one that goes with the page and the screen; the others
are not loaded. Where a figure has no narrow drawing, a narrow screen shows it so wide that its
smallest letters have 9 px.
"""

import base64
import math
import re
import zlib
from pathlib import Path

IMAGE = re.compile(r'<img ([^>]*)src="([^"]*/)?([^"/]+)\.svg"([^>]*?)/?>')
SIZE = re.compile(r'width="([\d.]+)pt" height="([\d.]+)pt"')
FONT = re.compile(r"scale\((0\.\d+) -0\.\d+\)")  # of a letter, in hundreds of points
PIXELS = 4.0 / 3.0  # in a point
SMALLEST = 9.0
CARRIED = re.compile(r'<metadata id="narrow">([^<]*)</metadata>')
PHONE = "(max-width: 480px)"  # as in book.css

INK, GROUND = "#e6e9ef", "#14181e"
DARK = {
    "#000000": INK,
    "#ffffff": GROUND,
    "#f5f5f5": "#20262f",
    "#b0b0b0": "#c8ccd4",  # the grid, which is faint by itself
    "#808080": "#9ba1ab",
    "#0072b2": "#4aa8e8",
    "#d55e00": "#f0803a",
    "#009e73": "#2fc39a",
}


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("html-page-context", show_both)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def show_both(app, pagename, templatename, context, doctree):
    """Let a page show the drawing that goes with its theme."""
    sources = {target: source for source, target in app.builder.images.items()}

    def both(match):
        source = sources.get(f"{match[3]}.svg")
        if source is None:  # not a cell's, but a file of the book's own
            return match[0]
        return pair(match, Path(app.srcdir, source).read_text(encoding="utf-8"))

    context["body"] = IMAGE.sub(both, context.get("body", ""))


def pair(match, svg):
    """Return the elements that stand for one; `match` is of `IMAGE`, `svg` the drawing."""
    before, folder, name, after = (part or "" for part in match.groups())
    width, height = size(svg)
    other = narrow(svg)
    style = f"--readable: {readable(svg):.0f}px"
    if other:
        style += f"; --narrow: {readable(other):.0f}px"
    return "".join(
        _on_phones(
            f'<img {before}class="drawing only-{theme}" loading="lazy" width="{width:.0f}" '
            f'height="{height:.0f}" style="{style}" src="{folder}{name}{end}.svg"{after}/>',
            other,
            f"{folder}{name}-narrow{end}.svg",
        )
        for theme, end in (("light", ""), ("dark", "-dark"))
    )


def _on_phones(image, other, source):
    """Return an element that shows another drawing on a phone, if there is one."""
    if not other:
        return image
    width, height = size(other)
    shape = f'width="{width:.0f}" height="{height:.0f}"'
    return f'<picture><source media="{PHONE}" srcset="{source}" {shape}/>{image}</picture>'


def size(svg):
    """Return a drawing's width and height in pixels."""
    return tuple(PIXELS * float(length) for length in SIZE.search(svg).groups())


def narrow(svg):
    """Return the drawing for phones that one carries with it, or nothing."""
    carried = CARRIED.search(svg)
    return zlib.decompress(base64.b64decode(carried[1])).decode() if carried else ""


def readable(svg):
    """Return the least width, in pixels, at which every letter has at least `SMALLEST` pixels."""
    width = PIXELS * float(SIZE.search(svg)[1])
    smallest = min((100.0 * PIXELS * float(size) for size in FONT.findall(svg)), default=math.inf)
    return width * min(1.0, SMALLEST / smallest)


def write(app, exception):
    """Make the drawings smaller, and write those for dark pages."""
    if exception is not None or app.builder.format != "html":
        return
    for target in app.builder.images.values():
        path = Path(app.outdir, app.builder.imagedir, target)
        if path.suffix == ".svg" and path.is_file():
            svg = path.read_text(encoding="utf-8")
            _write(path, svg)
            if other := narrow(svg):
                _write(path.with_name(f"{path.stem}-narrow.svg"), other)


def _write(path, svg):
    """Write a drawing, and the one for dark pages beside it."""
    svg = smaller(svg)
    path.write_text(svg, encoding="utf-8")
    path.with_name(f"{path.stem}-dark.svg").write_text(dark(svg), encoding="utf-8")


def smaller(svg):
    """Drop what no reader sees: when it was drawn, indentation, and hundredths of a pixel."""
    svg = re.sub(r"<metadata\b.*?</metadata>|<!DOCTYPE.*?>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(?<= d=")[^"]*', lambda path: _shorter(path[0]), svg)
    return re.sub(r">\s+<", "><", svg)


def _shorter(path):
    return " ".join(re.sub(r"-?\d+\.\d+", _rounded, path).split())


def _rounded(number):
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def dark(svg):
    """Return a drawing with light lines, and with the lighter of each pair of colours."""
    svg = re.sub(r"#[0-9a-fA-F]{6}\b", lambda color: DARK.get(color[0].lower(), color[0]), svg)
    return svg.replace("<svg ", f'<svg fill="{INK}" ', 1)
