"""What the book's extensions make of pages: dark drawings, sections to search, fewer files."""

import re
from types import SimpleNamespace

import figures
import finder
import lean
import mathematics
import pytest
from py_mini_racer import JSEvalException

SVG = """<?xml version="1.0"?>
<svg width="72pt" height="36.5pt" viewBox="0 0 72 36.5"><metadata>today</metadata>
 <path d="M 1.234567 2.000001
L 3.999 4" style="stroke: #000000; fill: none"/>
 <g transform="translate(1.5 2.5) scale(0.12 -0.12)"><use/></g>
</svg>"""
PAGE = """<nav><section id="no">elsewhere</section></nav><article><section id="one"><h1>One
<a class="headerlink">#</a></h1><p>A <em>gr</em>adient<br>flow</p><span class="katex">
<math><mi>λ</mi><annotation>\\lambda</annotation></math><span class="katex-html">λ</span></span>
<section id="two"><h2>Two</h2><p>more</p></div></section><dl><dt id="ptft.f">f(x)</dt>
<dd>Says.</dd></dl></section></article>"""


def test_small_letters_need_wider_figures():
    assert figures.readable(SVG) == pytest.approx(96 * 9 / 16)
    assert figures.readable(SVG.replace("0.12", "0.03")) == pytest.approx(96)  # never enlarged


def test_drawings_become_smaller_but_keep_what_is_seen():
    small = figures.smaller(SVG)
    assert 'd="M 1.23 2 L 4 4"' in small
    assert "scale(0.12 -0.12)" in small
    assert "today" not in small


def test_lines_and_letters_are_light_in_the_dark():
    dark = figures.dark(SVG)
    assert f"stroke: {figures.INK}" in dark
    assert f'<svg fill="{figures.INK}"' in dark  # letters have no colour of their own


def luminance(color):
    channels = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("color", ["#000000", "#0072b2", "#d55e00", "#009e73", "#b0b0b0"])
def test_colours_stand_out_in_the_dark(color):
    light, dark = luminance(figures.DARK[color]), luminance(figures.GROUND)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_sections_have_the_text_that_readers_see():
    one, two, name = finder.sections(PAGE)
    assert one == ("one", "One", "A gradient flow λ")
    assert two == ("two", "Two", "more")
    assert name[:2] == ("ptft.f", "ptft.f")
    assert name[2].endswith("Says.")


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("sphinx-thebe.js", '<div class="cell">', False),
        ("proof.css", '<div class="proof theorem">', True),
        ("proof.css", "<p>proof</p>", False),
        ("book.css", "", True),
    ],
)
def test_pages_load_what_they_use(name, body, expected):
    file = SimpleNamespace(filename=f"_static/{name}", attributes={})
    assert lean.used(file, body) is expected


def test_formulas_are_set_with_macros():
    html = mathematics.typeset(r"\E x \in \R", False, (("E", r"\mathbb{E}"), ("R", r"\mathbb{R}")))
    assert re.search("<mi[^>]*>E</mi>", html)
    with pytest.raises(JSEvalException, match="Undefined control sequence"):
        mathematics.typeset(r"\nothing", False, ())
