"""Sphinx extension: the pages' icons as one small style sheet.

The theme brings Font Awesome (its free icons: CC BY 4.0) as a script of 1.5 MB, which replaces some
twenty elements of a page by drawings. Here the drawings that the book uses are taken from that
script when the book is built and become masks in `_static/icons.css`; the script is left empty. Of
its font, which boxes and links use, the theme's own icons are kept.
"""

import re
from pathlib import Path
from urllib.parse import quote

from fontTools import subset

SHEET = "icons.css"
SHARED = """\
.fa-solid, .fa-brands, .fas, .fab {
  display: inline-block; width: 1em; height: 1em; vertical-align: -0.125em;
  background-color: currentcolor; mask: var(--icon) center / contain no-repeat;
}
.fa-lg { font-size: 1.25em; }
"""
NAME = re.compile(r"\bfa-(?!solid|brands|lg\b)([a-z0-9-]+)")
SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"><path d="{path}"/></svg>"""
DRAWING = r'(?<=[{{,])"?{}"?:\[(\d+),(\d+),\[[^]]*\],"\w+","([^"]+)"\]'
FONT = "fa-solid-900"
GLYPH = re.compile(r'--pst-[\w-]+:"(.)"')


def setup(app):
    """Register the extension with Sphinx."""
    app.add_css_file(SHEET)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write(app, exception):
    """Write the style sheet of the icons that pages and scripts name, and empty the script."""
    if exception is not None or app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    script = static / "scripts" / "fontawesome.js"
    if drawings := script.read_text(encoding="utf-8"):
        own = [*static.glob("*.js"), *static.glob("scripts/*theme.js")]
        files = [*Path(app.outdir).rglob("*.html"), *own]
        names = {name for file in files for name in NAME.findall(file.read_text(encoding="utf-8"))}
        rules = [rule(name, drawings) for name in sorted(names)]
        (static / SHEET).write_text(SHARED + "\n".join(filter(None, rules)) + "\n")
        script.write_text("")
    shrink_font(static)
    for source in static.glob("**/*.map"):  # of scripts: for those who mend the theme
        source.unlink()


def rule(name, drawings):
    """Return the rule of one icon, or None if there is none of the name."""
    found = re.search(DRAWING.format(re.escape(name)), drawings)
    if found is None:
        return None
    width, height, path = found.groups()
    svg = SVG.format(width=width, height=height, path=path)
    return f".fa-{name} {{ --icon: url('data:image/svg+xml,{quote(svg, safe=' =:/')}'); }}"


def shrink_font(static):
    """Keep of the icons' font what the theme's style sheet shows by its variables."""
    sheet = static / "styles" / "pydata-sphinx-theme.css"
    rules = sheet.read_text(encoding="utf-8")
    compressed = rf'url\([^)]*/{FONT}\.woff2\) format\("woff2"\),'
    if re.search(compressed, rules) is None:  # done by an earlier build
        return
    path = static / "vendor" / "fontawesome" / "webfonts" / f"{FONT}.ttf"
    font = subset.load_font(path, subset.Options())
    subsetter = subset.Subsetter()
    subsetter.populate(text="".join(GLYPH.findall(rules)))
    subsetter.subset(font)
    font.save(path)
    sheet.write_text(re.sub(compressed, "", rules), encoding="utf-8")
