"""What the book's extensions make of pages: drawings, formulas, sections to search, fewer files."""

import base64
import re
import zlib
from types import SimpleNamespace

import compact
import figures
import finder
import lean
import mathematics
import purge
import pytest
import symbols
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


MACROS = (("E", r"\mathbb{E}"), ("R", r"\mathbb{R}"))
FORMULAS = [
    "k",
    r"\beta^*_{\mathrm{PT}}",
    r"\sqrt{1 + (\beta / c)^2}",
    r"\frac{\hat x}{2} \left( \sum_{d} \lvert z_d \rvert \right)",
    r"\begin{aligned} a &= b \\ &\le \mathcal{N}(0, 1) \end{aligned}",
]


def seen(html):
    """Return the text of a formula's visible part, without what only holds lines apart."""
    visible = html.partition('class="katex-html"')[2].partition(">")[2]
    return re.sub(r"<[^>]*>|\u200b", "", visible)


@pytest.mark.parametrize("tex", FORMULAS)
def test_smaller_formulas_show_and_say_the_same(tex):
    options = {"displayMode": True, "throwOnError": True}
    full = mathematics.engine().call("katex.renderToString", tex, options)
    small = compact.compact(full)
    assert len(small) < 0.75 * len(full)
    assert seen(small) == seen(full)
    said = re.search(r"<semantics>(.*?)<annotation", full, re.S)[1]
    assert re.sub("<[^>]*>", "", said) == re.sub("<[^>]*>", "", small.partition("</math>")[0])
    assert small.count("<m") == small.count("</m")
    assert small.count("<span") == small.count("</span>")


def test_the_style_sheet_has_every_length():
    html = "".join(mathematics.typeset(tex, True, MACROS) for tex in FORMULAS)
    sheet, marks = compact.style_sheet([html]), compact.lengths_in(html)
    assert {"S2222", "X27000", "R500"} <= marks
    assert ".R500{margin-right:.05em!important}" in sheet
    assert all(f".{mark}" in sheet for mark in marks)
    classes = purge.words([html], [])
    assert all(re.search(rf"\.{name}(?![\w-])", sheet) for name in classes)


def test_words_are_heard_as_words():
    assert "<mi>FT</mi>" in mathematics.typeset(r"\rho_{\mathrm{FT}}", False, ())


def test_lengths_that_are_no_classes_stay():
    [element] = compact.parse('<span style="height:2em;color:red;"></span>').children
    compact._shorten(element)
    assert str(element) == '<span style="color:red" class=H20000></span>'


@pytest.mark.parametrize(
    ("sheet", "expected"),
    [
        (".a{x:1}.b,.a:hover{x:2}", ".a{x:1}.a:hover{x:2}"),
        ("@media print{.b{x:1}}p{x:1}", "p{x:1}"),
        ("@media print{.b{x:1}.a{x:1}}", "@media print{.a{x:1}}"),
        ("a:not(.b){x:1}/* .b{} */.a[href='}']{x:url(\"a)b\")}", None),
        ("@import url(x.css);.b{}", "@import url(x.css);"),
        (
            "@font-face{font-family:b}.bs-made-up{x:1}#b{x:1}",
            "@font-face{font-family:b}.bs-made-up{x:1}",
        ),
    ],
)
def test_rules_without_use_are_dropped(sheet, expected):
    kept = purge.purge(sheet, purge.words(['<p class="a c" id="d">'], []))
    assert kept == (re.sub(r"/\*.*?\*/", "", sheet) if expected is None else expected)


def test_words_of_scripts_are_classes_that_may_be():
    assert {"show", "x-y"} <= purge.words([], ['add("show", "x-y")'])


def row(*cells):
    return "<tr>" + "".join(f"<td>{mathematics_in(cell)}</td>" for cell in cells) + "</tr>"


def mathematics_in(text):
    return mathematics.set_dollars(text, MACROS)


def test_symbols_have_their_meanings():
    heads = "<thead><tr><th>symbol</th></tr></thead>"
    lines = [
        row("$\\rho_{\\mathrm{FT}}$", "share", "(10)", "", '<a href="x">2</a>'),
        row("$w_0, v_0$", "weights", "", "", "2"),
        row("$q_k(z)$", "penalty of $z$", "(13)", "", "3"),
        row("$\\hat\\beta_{\\mathrm{FT}}$", "estimate", "", "", "3"),
        row("$\\beta^*_{\\mathrm{PT}}$", "teacher", "", "", "2"),
        row("$s^2$", "noise", "(19)", "", "6"),
        row("", "no symbol", "", "", "6"),
    ]
    twice = "<thead><tr><th>letter</th></tr></thead><tbody>"
    twice += row("$\\rho$", "share", 'density in <a href="y">Chapter 6</a>') + "</tbody>"
    body = f"<table>{heads}<tbody>{''.join(lines)}</tbody></table><table>{twice}</table>"
    found = symbols.meanings(f"<article>{body}</article>")
    expected = {"ρ_FT^", "w_0^", "v_0^", "q_k^", "β^_FT^", "β_PT^∗", "s_^2", "ρ_^"}
    assert set(found) == expected
    assert found["ρ_FT^"].endswith("share. <small>Chapter 2; paper (10).</small></p>")
    assert "Elsewhere: density in Chapter 6." in found["ρ_^"]
    assert not any("katex-mathml" in text or "<a" in text for text in found.values())


def test_claims_have_formulas():
    assert "katex" in mathematics_in("smaller $c &lt; 1$ and no $ alone")
    assert mathematics_in("3 $ and") == "3 $ and"


def test_a_phone_gets_the_drawing_that_another_carries():
    other = base64.b64encode(zlib.compress(SVG.replace("72pt", "36pt").encode())).decode()
    svg = SVG.replace("</svg>", f'<metadata id="narrow">{other}</metadata></svg>')
    [image] = figures.IMAGE.finditer('<img alt="a" src="../_images/x.svg" />')
    shown = figures.pair(image, svg)
    assert shown.count('<picture><source media="(max-width: 480px)"') == 2
    assert 'srcset="../_images/x-narrow-dark.svg" width="48" height="49"/>' in shown
    assert "--readable: 54px; --narrow: 27px" in shown
    assert other not in figures.smaller(svg)
    assert "<picture>" not in figures.pair(image, SVG)


def test_code_keeps_the_colours_that_differ():
    code = '<div class="highlight"><pre><span class="n">x</span> <span class="k">in</span></pre>'
    name = '<dt class="sig"><span class="n"><span class="pre">x</span></span></dt>'
    context = {
        "body": code + name + '<span class="pre">y</span>',
        "script_files": [],
        "css_files": [],
    }
    lean.leave_out(None, "x", "page.html", context, None)
    assert context["body"] == (
        '<div class="highlight"><pre>x <span class=k>in</span></pre>'
        '<dt class="sig"><span class=n>x</span></dt><span class="pre">y</span>'
    )
