"""The ledger's records are quiet marks on pages, and nothing else is taken for one."""

import html

import marks
import pytest

from ptft.companion import ledger

CLAIMS = {
    "eq-14": ledger.Claim(part="theory", title="Equation (14): k & more", status="reproduced"),
}


def output(text):
    listing = f'<div class="highlight"><pre><span></span>{html.escape(text)}\n</pre></div>\n</div>'
    return (
        '<div class="cell_output docutils container">\n'
        f'<div class="output text_plain highlight-myst-ansi notranslate">{listing}\n</div>'
    )


RECORD = ledger.Record("eq-14", "√k: both < sides", "1")


@pytest.mark.parametrize(
    ("result", "summary"),
    [
        ("1e-16 ≤ 1e-15", "checked: 1e-16 ≤ 1e-15"),
        ("0.12 (paper: 0.1)", "measured: 0.12 (paper: 0.1)"),
        ("0.5: -1, 2: -3", "measured: 0.5: -1, 2: -3"),
        ("proved symbolically", "proved symbolically"),
    ],
)
def test_a_record_becomes_a_mark(result, summary):
    page = marks.quiet(output(f"eq-14 · √k: both < sides: {result}"), CLAIMS, [RECORD])
    assert f"<summary>{summary}</summary>" in page
    assert "<p>√k: both &lt; sides. In the ledger: " in page
    assert 'href="ledger.html#eq-14">Equation (14): k &amp; more</a>' in page
    assert "<pre>" not in page
    assert page.count("<div") == page.count("</div>")


@pytest.mark.parametrize("text", ["eq-14: 3", "eq-99 · it: 1", "first\neq-14 · it: 1", "a · b"])
def test_other_outputs_stay(text):
    assert marks.quiet(output(text), CLAIMS, [RECORD]) == output(text)


def test_every_record_of_the_chapters_is_recognised(repository):
    claims = ledger.claims(repository / "book" / "claims.toml")
    found = ledger.records(repository / "book")
    assert len(found) > 100
    for entry in found:
        shown = marks.quiet(output(str(entry)), claims, found)
        assert f"{html.escape(entry.result)}</summary><p>" in shown, str(entry)
