"""Every page of the built book in a browser: wide and narrow, light and dark, from a folder.

`make book` comes first; `python tests/test_browser.py` prints a table of what is found.
"""

import re
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsers import IN_BROWSER, LAID_OUT, launch
from playwright.sync_api import expect, sync_playwright

HTML = Path(__file__).parents[1] / "_build" / "html"
PAGES = sorted(path.relative_to(HTML).as_posix() for path in HTML.glob("book/*.html"))
OTHERS = [
    "genindex.html",
    "prf-prf.html",
    "py-modindex.html",
    "search.html",
    "_modules/ptft/model/penalty.html",
]
WIDTHS, THEMES = (360, 1440), ("light", "dark")
SERIOUS = ("serious", "critical")

pytestmark = [
    IN_BROWSER,
    pytest.mark.skipif(not PAGES, reason="needs a built book: make book"),
]

CUT = """() => {
  const wide = (box) => box.scrollWidth > box.clientWidth + 1;
  const shown = (element) => element.getClientRects().length > 0;
  const text = document.querySelector("article") || document.body;
  const right = text.getBoundingClientRect().right + 1;
  const inline = [...document.querySelectorAll("article span.math .katex-html .katex-base")];
  const name = (element) => element.textContent.slice(0, 60);
  return {
    page: document.documentElement.scrollWidth - window.innerWidth,
    displays: [...document.querySelectorAll("div.formula")].filter(wide).map(name),
    inline: inline.filter((e) => shown(e) && e.getBoundingClientRect().right > right
      && !e.closest("td, th, .cell_output")).map(name),
  };
}"""
"""What is wider than its place."""

RAW = """() => {
  const text = document.querySelector("article") || document.body;
  const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.parentElement.closest("pre, code, script, style, annotation, textarea")) continue;
    const words = node.data.trim();
    if (/\\\\[()\\[\\]a-zA-Z]|\\$[^$]*\\\\/.test(words)) found.push(words.slice(0, 60));
  }
  return found.concat([...document.querySelectorAll(".katex-error")].map((e) => e.textContent));
}"""
"""Formulas that were not set."""

PLAIN = """() => document.querySelectorAll(".katex").forEach((formula) => {
  formula.replaceChildren("x");
})"""
"""Formulas are as dark as the text around them, but of so many parts that looking takes minutes."""


class Visit:
    """A page, opened from the folder that it was built in, and what went wrong meanwhile."""

    def __init__(self, browser, name, width, theme):
        self.width, self.theme = width, theme
        self.context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=theme, reduced_motion="reduce"
        )
        self.page, self.wrong = self.context.new_page(), []
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("requestfailed", lambda request: self.wrong.append(f"failed: {request.url}"))
        self.page.on("request", self._on_request)
        path, mark, query = name.partition("?")
        self.page.goto((HTML / path).as_uri() + mark + query)
        self.page.evaluate("() => document.fonts.ready")
        self.page.wait_for_function(LAID_OUT)
        self.page.wait_for_timeout(50)

    def _on_console(self, message):
        if message.type in ("error", "warning"):
            self.wrong.append(f"console: {message.text}")

    def _on_request(self, request):
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.wrong.append(f"foreign: {request.url}")

    def findings(self):
        """Return what is wrong with the page, one line each."""
        cut, found = self.page.evaluate(CUT), list(self.wrong)
        if cut["page"] > 1:
            found.append(f"the page is {cut['page']} px wider than the screen")
        found += [f"cut: {text}" for text in cut["displays"] + cut["inline"]]
        found += [f"not set: {text}" for text in self.page.evaluate(RAW)]
        if (self.width == WIDTHS[0]) != (self.theme == THEMES[0]):
            return found  # the slow part: once for each width, and once for each theme
        self.page.evaluate(PLAIN)
        violations = Axe().run(self.page, options={"resultTypes": ["violations"]})
        for violation in violations.response["violations"]:
            if violation["impact"] in SERIOUS:
                where = [" ".join(node["target"]) for node in violation["nodes"][:3]]
                found.append(f"{violation['id']} ({len(violation['nodes'])}): {where}")
        return found


@pytest.fixture
def visit(browser):
    visits = []

    def open_page(name, width=1440, theme="light"):
        visits.append(Visit(browser, name, width, theme))
        return visits[-1]

    yield open_page
    for each in visits:
        each.context.close()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES + OTHERS)
def test_a_page(visit, name, width, theme):
    assert visit(name, width, theme).findings() == []


def test_a_solution_unfolds(visit):
    page = visit("book/l_order.html", 360).page
    solution = page.locator(".solution.dropdown, .solution .toggle, details.solution").first
    button = solution.locator("button, summary").first
    button.scroll_into_view_if_needed()
    before = page.evaluate("document.documentElement.scrollHeight")
    button.click()
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollHeight") > before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("AMP", "assing"),
        ("participation ratio", "articipation"),
        ("γ", "γ"),
        ("lambda", "λ"),
        ("ptft.Task", "Task"),
    ],
)
def test_search_finds(visit, words, expected):
    each = visit(f"search.html?q={words}", 360)
    expect(each.page.locator("#search-results li").first).to_be_visible(timeout=10_000)
    first = each.page.locator("#search-results li").first
    assert expected in first.inner_text()
    assert first.locator("mark").count()
    assert each.findings() == []
    first.locator("a").click()
    expect(each.page.locator("article h1").first).to_be_visible()


def test_search_says_that_nothing_is_found(visit):
    page = visit("search.html?q=xylophone").page
    expect(page.locator("#search-results")).to_contain_text("Nothing has")


def test_a_figure_follows_the_page(visit):
    page = visit("book/theorem.html").page
    shown = page.locator("img.drawing:visible")
    light = shown.count()
    assert light
    page.evaluate("() => { document.documentElement.dataset.theme = 'dark'; }")
    assert shown.count() == light
    assert all("-dark.svg" in image.get_attribute("src") for image in shown.all())


@pytest.mark.parametrize("name", PAGES)
def test_figures_fit_a_phone_and_can_be_read(visit, name):
    page = visit(name, 360).page
    for image in page.locator("img.drawing:visible").all():
        style = image.get_attribute("style")
        assert "--narrow" in style, "has no drawing for phones"
        least = float(re.search(r"--narrow: (\d+)px", style)[1])
        assert image.bounding_box()["width"] >= least - 1
        box = (
            "e => { const b = e.closest('figure, .output'); return b.scrollWidth - b.clientWidth; }"
        )
        assert image.evaluate(box) <= 1, "scrolls"


def test_a_phone_loads_the_drawing_that_fits(visit):
    for width, narrow in ((360, True), (1440, False)):
        image = visit("book/theorem.html", width).page.locator("img.drawing:visible").first
        image.scroll_into_view_if_needed()
        expect(image).to_have_js_property("complete", True)
        assert ("-narrow" in image.evaluate("e => e.currentSrc")) == narrow


# Symbols in the chapter on Theorem 4.1: TeX's letter, what it stands beside, and what a tip says.
SYMBOLS = [
    ("β", "PT", "coefficients after pretraining"),
    ("c", "", "absolute scale before pretraining"),
    ("w", "+", "first layer’s weights"),
    ("q", "k", "penalty of one coefficient"),
]
FIND = """([letter, index]) => {
  const plain = (node) => node ? node.textContent.replace(/[\\s\\u200b]/g, "") : "";
  return [...document.querySelectorAll("article p .katex-html span")].find((leaf) =>
    !leaf.childElementCount && plain(leaf) === letter && !leaf.closest("a, details, .msupsub")
    && leaf.getClientRects().length
    && plain(leaf.nextElementSibling?.matches(".msupsub") ? leaf.nextElementSibling : null)
      === index
  );
}"""


@pytest.mark.parametrize(("letter", "index", "meaning"), SYMBOLS)
def test_symbols_say_what_they_mean(visit, letter, index, meaning):
    each = visit("book/theorem.html")
    leaf = each.page.evaluate_handle(FIND, [letter, index]).as_element()
    leaf.scroll_into_view_if_needed()
    leaf.hover()
    tip = each.page.get_by_role("tooltip")
    expect(tip).to_contain_text(meaning)
    assert each.findings() == []
    each.page.keyboard.press("Escape")
    expect(tip).to_be_hidden()


def test_a_finger_gets_meanings_too(browser):
    context = browser.new_context(viewport={"width": 360, "height": 800}, has_touch=True)
    page = context.new_page()
    page.goto((HTML / "book/theorem.html").as_uri())
    leaf = page.evaluate_handle(FIND, ["γ", ""]).as_element()
    leaf.scroll_into_view_if_needed()
    leaf.tap()
    tip = page.get_by_role("tooltip")
    expect(tip).to_contain_text("readout scale before fine-tuning")
    expect(tip).to_contain_text("Elsewhere: ridge")
    page.locator("article p").first.tap(position={"x": 1, "y": 1})
    expect(tip).to_be_hidden()
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_light(visit, name):
    """What a phone loads until the page stands, without compression, is less than a megabyte."""
    each, sizes = visit(name, 360), {}
    each.page.on("request", lambda request: sizes.setdefault(request.url, size(request.url)))
    each.page.reload()
    each.page.evaluate("() => document.fonts.ready")
    each.page.wait_for_load_state("load")
    assert sum(sizes.values()) < HEAVY.get(name, 1e6)


@pytest.mark.parametrize("width", WIDTHS)
def test_links_into_a_page_lead_there(browser, width):
    """Sections above are laid out later, and must not push away what a reader came for."""
    page = browser.new_page(viewport={"width": width, "height": 800})

    def place():
        page.wait_for_function(LAID_OUT)
        page.wait_for_timeout(300)
        return page.locator("#known-limits > h2").bounding_box()["y"]

    page.goto((HTML / "book/replica.html").as_uri() + "#known-limits")
    assert 48 < place() < 80
    page.mouse.wheel(0, -1000)
    page.wait_for_timeout(300)
    before = place()
    page.reload()
    assert abs(place() - before) < 2
    page.goto((HTML / "book/learning_curves.html").as_uri())
    page.goto((HTML / "book/replica.html").as_uri())
    page.locator("a[href='#known-limits']").first.evaluate("link => link.click()")
    assert 48 < place() < 80
    page.close()


def test_figures_are_light():
    """A smooth field as a drawing is megabytes; as pixels behind the lines it is not."""
    sizes = {path: path.stat().st_size for path in (HTML / "_images").glob("*.svg")}
    assert {path.name: size for path, size in sizes.items() if size > 5e5} == {}


HEAVY = {"book/package.html": 1.4e6}  # all names of the package, on one page


def size(address):
    path = Path(unquote(urlsplit(address).path))
    return path.stat().st_size if address.startswith("file:") else 0


def test_the_explorer_by_mouse_touch_and_keyboard(browser):
    context = browser.new_context(viewport={"width": 360, "height": 800}, has_touch=True)
    page = context.new_page()
    page.goto((HTML / "book/explorer.html").as_uri())
    slider = page.locator("ptft-explorer input[type=range]").first
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    y, seen = box["y"] + box["height"] / 2, []

    def at(share):
        return box["x"] + share * box["width"], y

    page.mouse.click(*at(0.25))
    seen.append(slider.input_value())
    page.touchscreen.tap(*at(0.75))
    seen.append(slider.input_value())
    slider.focus()
    page.keyboard.press("ArrowLeft")
    seen.append(slider.input_value())
    context.close()
    assert len(set(seen)) == 3


def main():
    """Print findings by page, width and theme."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for name in PAGES + OTHERS:
            for width in WIDTHS:
                for theme in THEMES:
                    each = Visit(browser, name, width, theme)
                    found = each.findings()
                    print(f"{name} {width} {theme}: {len(found)}", flush=True)
                    for line in found:
                        print(f"    {line}")
                    each.context.close()


if __name__ == "__main__":
    sys.exit(main())
