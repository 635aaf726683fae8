"""Reading aids in a browser: all code at once, tips at links, the ledger's filter."""

import json
import shutil

import pytest
from browsers import IN_BROWSER
from playwright.sync_api import expect

pytestmark = IN_BROWSER

PAGE = """\
<!doctype html><html lang="en"><meta charset="utf-8"><title>x</title>
<link rel="stylesheet" href="reading.css">
<script>window.ptftTipsAt = { tips: "tips.js", symbols: "symbols.js" };</script>
<script src="reading.js"></script>
<article><h1>Title</h1>
<p><a class="reference internal" href="#equation-a" title="plain">(1.1)</a>
<a class="reference internal" href="other.html#term-rich">rich</a> <a href="#none">nothing</a></p>
<details class="hide above-input"><summary>Show</summary><p>one</p></details>
<details class="hide above-input"><summary>Show</summary><p>two</p></details>
<details class="solution"><summary>Show</summary><p>three</p></details>
<table class="ledger-totals"></table>
<table class="ledger"><tr data-status="reproduced"><td>Penalty</td></tr>
<tr data-status="partly"><td>Vision</td></tr>
<tr data-status="partly"><td>Penalty too</td></tr></table>
</article></html>
"""
TIPS = {"#equation-a": "<b>x = 1</b>", "other.html#term-rich": "Learns features."}


@pytest.fixture
def page(browser, repository, tmp_path):
    """Open the page from the disk, without a network; its console must stay free of errors."""
    for name in ("reading.js", "reading.css"):
        shutil.copy(repository / "book" / "_static" / name, tmp_path)
    (tmp_path / "page.html").write_text(PAGE, encoding="utf-8")
    (tmp_path / "tips.js").write_text(f"window.ptftTips = {json.dumps(TIPS)};", encoding="utf-8")
    (tmp_path / "symbols.js").write_text("window.ptftSymbols = {};", encoding="utf-8")
    context, complaints = browser.new_context(offline=True), []
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"file://{tmp_path}/page.html")
    yield page
    context.close()
    assert complaints == []


def opened(page):
    return page.locator("details").evaluate_all("all => all.map((one) => one.open)")


def test_all_code_by_one_switch_that_is_remembered(page):
    switch = page.get_by_role("button", name="Show all code")
    assert opened(page) == [False, False, False]
    switch.focus()
    page.keyboard.press("Enter")
    assert opened(page) == [True, True, False]
    assert switch.get_attribute("aria-pressed") == "true"
    page.reload()
    assert opened(page) == [True, True, False]
    switch.click()
    page.reload()
    assert opened(page) == [False, False, False]


def test_tips_by_pointer(page):
    tip = page.get_by_role("tooltip")
    page.get_by_text("rich").hover()
    expect(tip).to_have_text("Learns features.")
    page.get_by_text("nothing").hover()
    expect(tip).to_be_hidden()


def test_tips_by_keyboard(page):
    tip = page.get_by_role("tooltip")
    link = page.get_by_role("link", name="(1.1)")
    page.locator("button.show-code").focus()
    page.keyboard.press("Tab")
    expect(tip).to_have_text("x = 1")
    assert link.get_attribute("aria-describedby") == tip.get_attribute("id")
    assert link.get_attribute("title") is None  # one tip, not two
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    assert link.get_attribute("aria-describedby") is None


def test_the_ledger_by_status_and_words(page):
    rows = page.locator("table.ledger tr:visible")
    assert rows.count() == 3
    page.get_by_label("Status").select_option("partly")
    assert rows.all_inner_texts() == ["Vision", "Penalty too"]
    page.get_by_label("Words").fill("PENALTY")
    assert rows.all_inner_texts() == ["Penalty too"]
    assert page.locator("output").inner_text() == "1 of 3 claims"
    page.get_by_label("Status").select_option("")
    assert rows.count() == 2
