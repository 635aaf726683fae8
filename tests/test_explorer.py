"""The explorer in a browser: by mouse, finger and keyboard, wide and narrow, light and dark."""

import csv
import io
import re
import shutil
import subprocess
import sys
from collections import Counter

import explorer
import matplotlib.pyplot as plt
import numpy as np
import port
import pytest
from browsers import IN_BROWSER
from playwright.sync_api import expect

import ptft
from ptft import balanced
from ptft.companion import plotting

WITH_NODE = pytest.mark.skipif(port.NODE is None, reason="needs node")

CONFIGURATION = """\
import sys
sys.path.insert(0, {tools!r})
extensions = ["myst_parser", "explorer"]
myst_enable_extensions = ["colon_fence"]
html_theme = "sphinx_book_theme"
html_static_path = [{static!r}]
html_css_files = ["book.css"]
html_context = {{"default_mode": "auto"}}
"""
PAGES = {
    "index": "# Index\n\n```{toctree}\nbook/explorer\nbook/chapter\nbook/plain\n```\n",
    "book/explorer": "# Explorer\n\n:::{explorer} all\n:::\n",
    "book/chapter": "# Chapter\n\n:::{explorer} learning_curves\n:::\n\n"
    ":::{explorer} balanced\n:::\n",
    "book/plain": "# Plain\n\nNothing moves.\n",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory, repository):
    """A book of three pages in the book's theme."""
    root = tmp_path_factory.mktemp("book")
    book = repository / "book"
    text = CONFIGURATION.format(tools=str(book / "tools"), static=str(book / "_static"))
    (root / "conf.py").write_text(text)
    (root / "book").mkdir()
    shutil.copytree(book / "_static", root / "book" / "_static")
    for name, page in PAGES.items():
        (root / f"{name}.md").write_text(page)
    built = build(root)
    assert built.returncode == 0, built.stderr
    return root / "html"


def build(root):
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", str(root)]
    return subprocess.run([*command, str(root / "html")], capture_output=True, text=True)


# What is built


def test_the_script_is_loaded_where_it_is_used(site):
    for name, uses in (("explorer", True), ("chapter", True), ("plain", False)):
        assert ("explorer.js" in (site / "book" / f"{name}.html").read_text()) == uses


def test_readers_without_scripts_get_a_picture_and_a_sentence(site):
    page = (site / "book" / "explorer.html").read_text()
    [inside] = re.findall(r"<noscript>(.*?)</noscript></ptft-explorer>", page, re.S)
    assert "overview.png" in inside
    assert "needs scripts" in inside


def test_unknown_views_are_errors(tmp_path, repository):
    tools, static = (str(repository / "book" / name) for name in ("tools", "_static"))
    (tmp_path / "conf.py").write_text(CONFIGURATION.format(tools=tools, static=static))
    (tmp_path / "index.md").write_text("# Title\n\n:::{explorer} nothing\n:::\n")
    assert "there is no view 'nothing', but all, introduction" in build(tmp_path).stderr


@WITH_NODE
def test_the_joined_script_is_sound(tmp_path):
    script = tmp_path / "explorer.js"
    script.write_text(explorer.bundle())
    subprocess.run([port.NODE, "--check", str(script)], check=True)
    text = script.read_text()
    assert not re.search(r"^(import|export)\b", text, re.M)
    names = re.findall(r"^(?:async )?(?:function|class|const|let) (\w+)", text, re.M)
    assert Counter(names).most_common(1)[0][1] == 1
    used = {name for view in explorer.views().values() for name in view["controls"]}
    assert used >= {"c_pt", "lambda_pt", "gamma_ft", "rho_pt", "rho_ft", "overlap", "noise"}


@WITH_NODE
def test_colours_and_presets_are_the_books():
    asked = ["BASELINE", "REGIMES", "NETWORK_COLORS", "COLORS", "TASK_DASHES"]
    found = dict(zip(asked, port.in_javascript("paper", asked), strict=True))
    assert found["BASELINE"].items() >= plotting.BASELINE.items()
    for numeral, regime in ptft.REGIMES.items():
        mine = found["REGIMES"][numeral]
        assert mine["init"] == vars(regime.init)
        assert mine["name"] == regime.name
        assert mine["color"] == plotting.REGIME_COLORS[numeral]
        assert mine["corner"] == (list(regime.corner) if regime.corner else None)
    for parameter, colors in found["NETWORK_COLORS"].items():
        for value, letter in colors.items():
            color = plotting.network_color(parameter, float(value))
            assert found["COLORS"][letter] == color
    for overlap, rho_ft, dash in found["TASK_DASHES"]:
        assert [float(x) for x in dash.split()] == dashes(plotting.task_style(overlap, rho_ft))


def dashes(style):
    """Return matplotlib's pattern, in multiples of the line's width."""
    patterns = {"-": [], "--": "dashed", "-.": "dashdot", ":": "dotted"}
    if isinstance(style, tuple):
        return list(style[1])
    return patterns[style] and list(plt.rcParams[f"lines.{patterns[style]}_pattern"])


# In the browser


@pytest.fixture
def visit(browser, site):
    """Open a page from the disk, without a network; its console must stay free of errors."""
    contexts, complaints = [], []

    def open_page(name="explorer", fragment="", **options):
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda text: text.type == "error" and complaints.append(text.text))
        page.goto(f"file://{site}/book/{name}.html{fragment}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 360, "height": 740}
NAMED = "c_pt=0.001&lambda_pt=-0.99&gamma_ft=0&rho_pt=0.1&rho_ft=0.1&overlap=0.5&noise=0&alpha=0.2"


def error_at(alpha=0.2, **changes):
    values = {"rho_pt": 0.1, "rho_ft": 0.1, "overlap": 0.5} | changes
    init = ptft.Initialization(
        *(values.pop(name, default) for name, default in plotting.BASELINE.items())
    )
    noise = values.pop("noise", 0.0)
    return ptft.learning_curve(ptft.Task(**values), init, alpha, noise).error


def shown_error(page, row=0):
    text = page.locator(".legend .value").nth(row).inner_text()
    return float(text.replace("−", "-"))


def set_number(page, label, value):
    box = page.get_by_role("spinbutton", name=label)
    box.fill(str(value))
    box.press("Enter")


@IN_BROWSER
def test_without_scripts(visit):
    page = visit(java_script_enabled=False)
    expect(page.locator("ptft-explorer img")).to_be_visible()
    expect(page.locator("ptft-explorer p")).to_be_visible()


@IN_BROWSER
def test_numbers_are_those_of_the_package(visit):
    page = visit(fragment="#" + NAMED)
    changes = {"lambda_pt": -0.99}
    assert shown_error(page) == pytest.approx(error_at(**changes), rel=0.005)
    for label, name, value in (
        ("relative scale", "lambda_pt", -0.5),
        ("absolute scale", "c_pt", 0.02),
        ("readout scale", "gamma_ft", 0.3),
        ("active in pretraining", "rho_pt", 0.2),
        ("active in fine-tuning", "rho_ft", 0.15),
        ("overlap", "overlap", 0.7),
        ("label noise", "noise", 0.05),
    ):
        set_number(page, label, value)
        changes[name] = value
        assert shown_error(page) == pytest.approx(error_at(**changes), rel=0.005)


@IN_BROWSER
def test_sliders_move_by_keyboard_and_mouse(visit):
    page = visit(fragment="#" + NAMED, viewport=WIDE)
    slider = page.get_by_role("slider", name="overlap")
    line = page.locator(".main .chart svg > g path[stroke-width='3.2']")
    before = line.get_attribute("d")
    slider.focus()
    slider.press("ArrowRight")
    assert page.get_by_role("spinbutton", name="overlap").input_value() == "0.52"
    assert line.get_attribute("d") != before
    box = slider.bounding_box()
    page.mouse.click(box["x"] + 0.98 * box["width"], box["y"] + box["height"] / 2)
    assert float(page.get_by_role("spinbutton", name="overlap").input_value()) > 0.9
    assert shown_error(page) < error_at(lambda_pt=-0.99)


@IN_BROWSER
def test_curves_are_read_by_hovering_and_by_keyboard(visit):
    page = visit(fragment="#" + NAMED, viewport=WIDE)
    chart = page.locator(".main .chart svg")
    box = chart.bounding_box()
    left, right = box["x"] + 56, box["x"] + box["width"] - 12
    page.mouse.move(left + 0.6 * (right - left), box["y"] + 50)
    assert "α = 0.3" in page.locator(".main .reading").inner_text()
    assert shown_error(page) == pytest.approx(error_at(0.3, lambda_pt=-0.99), rel=0.005)
    page.mouse.move(5, 5)
    assert "α = 0.2" in page.locator(".main .reading").inner_text()
    chart.focus()
    for _ in range(4):
        chart.press("ArrowRight")
    expected = f"{error_at(0.25, lambda_pt=-0.99):.3g}"
    assert chart.get_attribute("aria-valuetext") == f"error at α = 0.25: as set {expected}"
    chart.press("Enter")
    assert page.get_by_role("spinbutton", name="mark at").input_value() == "0.25"


@IN_BROWSER
def test_touch_marks_a_sample_size_and_moves_the_portraits_point(visit):
    page = visit(fragment="#" + NAMED, viewport=PHONE, has_touch=True, is_mobile=True)
    chart = page.locator(".main .chart svg")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    x = box["x"] + 56 + 0.5 * (box["width"] - 68)
    page.touchscreen.tap(x, box["y"] + 60)
    assert page.get_by_role("spinbutton", name="mark at").input_value() == "0.25"
    portrait = page.get_by_role("img", name="Phase portrait")
    portrait.scroll_into_view_if_needed()
    box = portrait.bounding_box()
    page.touchscreen.tap(box["x"] + 56 + 0.5 * (box["width"] - 68), box["y"] + 10)
    assert float(page.get_by_role("spinbutton", name="absolute scale").input_value()) > 5
    assert -1 < float(page.get_by_role("spinbutton", name="relative scale").input_value()) < -0.99


@IN_BROWSER
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_everything_fits_and_is_drawn(visit, viewport, scheme):
    page = visit(viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
    for panel in page.locator("figure").all():
        panel.scroll_into_view_if_needed()
        expect(panel.locator("svg").first).to_be_visible()
        expect(panel.locator(".reading")).not_to_be_empty()
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    ground = page.locator("ptft-explorer").evaluate(
        "element => getComputedStyle(document.body).backgroundColor"
    )
    ink = page.locator("figcaption").first.evaluate("node => getComputedStyle(node).color")
    assert (luminance(ground) > luminance(ink)) == (scheme == "light")
    for path in page.locator("figure path[d]").all():
        assert "NaN" not in path.get_attribute("d")


def luminance(color):
    return sum(float(x) for x in re.findall(r"[\d.]+", color)[:3])


@IN_BROWSER
def test_impossible_tasks_are_explained_not_drawn(visit):
    page = visit(fragment="#" + NAMED)
    set_number(page, "active in fine-tuning", 0.9)
    with pytest.raises(ValueError, match="the overlap can be in") as refused:
        ptft.Task(0.1, 0.9, 0.5)
    low, high = re.search(r"can be in \[(.*), (.*)\]$", str(refused.value)).groups()
    notice = page.get_by_role("alert")
    expect(notice).to_contain_text(f"It can be anything from {low} to {high}.")
    assert page.locator(".legend li").count() == 0
    for panel in (page.locator(".main"), page.locator("figure", has_text="Denoiser")):
        panel.scroll_into_view_if_needed()
        expect(panel.locator(".chart")).to_contain_text("no such tasks")
        assert panel.locator("path[stroke-width]").count() == 0
    assert "NaN" not in page.evaluate(
        "document.querySelector('ptft-explorer').shadowRoot.innerHTML"
    )
    expect(page.get_by_role("button", name="Pin this curve")).to_be_disabled()
    notice.get_by_role("button").click()
    expect(notice).to_be_hidden()
    expected = error_at(rho_ft=0.9, overlap=0.1 / 0.9, lambda_pt=-0.99)
    assert shown_error(page) == pytest.approx(expected, rel=0.005)


@IN_BROWSER
def test_a_network_that_never_learns_is_explained(visit):
    page = visit(fragment="#" + NAMED.replace("-0.99", "-1"))
    expect(page.get_by_role("alert")).to_contain_text("never leaves the origin")
    expect(page.locator("figure").first).to_have_css("visibility", "hidden")
    page.get_by_role("button", name="Take γ").click()
    expect(page.locator("figure").first).to_have_css("visibility", "visible")
    expected = error_at(lambda_pt=-1.0, gamma_ft=1e-6)
    assert shown_error(page) == pytest.approx(expected, rel=0.005)


@IN_BROWSER
def test_an_address_keeps_what_is_set_and_pinned(visit):
    page = visit(fragment="#" + NAMED)
    page.get_by_role("button", name="Pin this curve").click()
    set_number(page, "overlap", 0.9)
    page.get_by_label("error:").select_option("log")
    page.get_by_label("the four regimes").check()
    page.get_by_role("button", name="Copy link").click()
    address = page.evaluate("navigator.clipboard.readText()")
    page.wait_for_url(address)
    legend = page.locator(".legend").inner_text()
    other = visit(fragment="#" + address.partition("#")[2])
    expect(other.locator(".legend")).to_have_text(legend, use_inner_text=True)
    assert other.locator(".legend li").count() == 6
    assert other.get_by_label("error:").input_value() == "log"
    other.evaluate(f"location.hash = '#{NAMED}'")
    expect(other.locator(".legend li")).to_have_count(1)


@IN_BROWSER
def test_nonsense_in_an_address_is_ignored_and_said(visit):
    impossible = "pin=0.001,0,0,0.1,0.9,0.5,0,b0"
    page = visit(
        fragment=f"#c_pt=-1&overlap=a&pin=1,2&toString=1&lambda_pt=-0.9&{impossible}&%E0%A4"
    )
    ignored = f"c_pt=-1, overlap=a, pin=1,2, toString=1, {impossible}"
    expect(page.get_by_role("alert")).to_contain_text(ignored)
    assert page.locator(".legend li").count() == 1
    assert page.get_by_role("spinbutton", name="relative scale").input_value() == "-0.9"
    assert page.get_by_role("spinbutton", name="absolute scale").input_value() == "0.001"


@IN_BROWSER
def test_figure_3_is_a_preset(visit):
    page = visit()
    page.get_by_role("button", name="Curves of Figure 3, panel c").click()
    assert page.locator(".legend li").count() == 10
    colors = Counter(path.get_attribute("stroke") for path in page.locator(".legend path").all())
    expected = [plotting.network_color("lambda_pt", value) for value in (-0.99, 0.99)]
    assert [colors[color] for color in expected] == [3, 3]
    page.get_by_role("button", name=re.compile("^Remove lambda_pt")).first.click()
    assert page.locator(".legend li").count() == 9
    page.get_by_role("button", name="Remove pinned").click()
    assert page.locator(".legend li").count() == 1


@IN_BROWSER
def test_data_and_code_that_leave_the_page_agree_with_the_package(visit):
    page = visit(fragment="#" + NAMED + "&span=1")
    page.get_by_text("The same in Python").click()
    code = page.locator("pre").inner_text()
    page.get_by_role("button", name="Copy", exact=True).click()
    assert page.evaluate("navigator.clipboard.readText()") == code
    found = {}
    exec(code, found)
    with page.expect_download() as started:
        page.get_by_role("button", name="Download CSV").click()
    rows = list(csv.DictReader(io.StringIO(started.value.path().read_text())))
    for name in ("alpha", "error", "s2", "theta"):
        column = [float(row[name]) for row in rows]
        np.testing.assert_allclose(column, getattr(found["curve"], name), rtol=1e-8)
    assert {row["lambda_pt"] for row in rows} == {"-0.99"}


@IN_BROWSER
def test_views_in_chapters_link_to_the_explorer(visit):
    page = visit("chapter")
    link = page.get_by_role("link", name="Open in the explorer")
    assert link.count() == 1
    # curves are drawn first, their values at the mark a moment later
    expect(page.locator(".legend")).to_contain_text(re.compile(r"\d\.\d{3}"))
    legend = page.locator(".legend").inner_text()
    link.click()
    expect(page).to_have_url(re.compile(r"explorer\.html#c_pt=0\.001&lambda_pt=-0\.9&"))
    expect(page.locator(".legend")).to_have_text(legend, use_inner_text=True)


@IN_BROWSER
def test_the_second_papers_modes(visit):
    page = visit("chapter")
    set_number(page, "balance", 10)
    set_number(page, "initial strength", 0.01)
    chart = page.get_by_role("slider", name="Strength of three modes")
    chart.focus()
    text = chart.get_attribute("aria-valuetext").replace("−", "-")
    t, *fractions = (float(x) for x in re.findall(r"(?:= |mode \d )([\d.]+)", text))
    strengths = np.array([2.83, 2.0, 1.41])
    modes = balanced.aligned_mode(t, strengths, 0.01, 10.0)
    np.testing.assert_allclose(fractions, modes / strengths, rtol=0.01)


@IN_BROWSER
def test_there_is_no_motion_but_the_readers(visit):
    page = visit(reduced_motion="reduce")
    assert page.evaluate("document.getAnimations().length") == 0
    assert not re.search("transition|animation", explorer.bundle())
