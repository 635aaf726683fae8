"""Sphinx extension: what the ledger recorded, as a quiet mark on the page where it was measured.

A record is a line of a cell's output, "eq-14 · what was measured: 1e-16 ≤ 1e-15". The page shows
"checked: 1e-16 ≤ 1e-15", which opens and then says what, and which claim of the ledger it is about.
Notebooks keep the line.
"""

import html
import re
from pathlib import Path

from ptft.companion import ledger

BOOK = Path(__file__).resolve().parents[1]
OUTPUT = re.compile(
    r'<div class="output text_plain[^"]*"><div class="highlight"><pre>(?:<span></span>)?'
    r"(?P<line>[\w.-]+ · [^\n]*)\n</pre></div>\n</div>"
)


def quiet(body, claims, records):
    """Return a page's HTML with each record made quiet.

    Parameters
    ----------
    body : str
    claims : dict of str to Claim
    records : list of Record
        Those of the references. They tell what was measured from the result, since both may have
        colons in them; the result itself may be another, as on a machine that rounds differently.
    """
    known = {f"{one.claim} · {one.what}: ": one for one in records}
    return OUTPUT.sub(lambda found: _mark(found, claims, known), body)


def _mark(found, claims, known):
    line = html.unescape(found["line"])
    start = next((start for start in known if line.startswith(start)), None)
    if start is None or known[start].claim not in claims:
        return found[0]
    one, result = known[start], line.removeprefix(start)
    title = html.escape(claims[one.claim].title)
    link = f'<a class="reference internal" href="ledger.html#{one.claim}">{title}</a>'
    return (
        f'<details class="check"><summary>{html.escape(_summary(result))}</summary>'
        f"<p>{html.escape(one.what)}. In the ledger: {link}</p></details>"
    )


def _summary(result):
    if "≤" in result:
        return f"checked: {result}"
    return result if result == "proved symbolically" else f"measured: {result}"


def show(app, pagename, templatename, context, doctree):
    """Make the records on a page quiet."""
    if doctree is not None and "·" in context["body"]:
        claims = ledger.claims(BOOK / "claims.toml")
        context["body"] = quiet(context["body"], claims, ledger.records(BOOK))


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("html-page-context", show)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
