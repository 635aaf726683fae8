"""Sphinx extension: set formulas while the book is built, with KaTeX; pages need no script for it.

`katex.min.js` here, its style sheet and fonts in `_static/katex` are KaTeX 0.19.1 as npm has it
(MIT licence, beside the fonts). It runs in V8, which the package mini-racer brings, so that the
build needs no Node. A formula that KaTeX cannot set stops the build. What it writes is made smaller
by `compact.py`, which the style sheet has to go with.
"""

import hashlib
import html
import re
from functools import cache
from pathlib import Path

import compact
from docutils import nodes
from py_mini_racer import JSEvalException, MiniRacer
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

SCRIPT = Path(__file__).with_name("katex.min.js")
STYLE = "katex/katex.min.css"
# Where claims of the ledger stand, whose titles have formulas between dollars.
CLAIMS = re.compile(r'<table class="ledger">.*?</table>|<details class="check">.*?</details>', re.S)
DOLLARS = re.compile(r"\$([^$<]+)\$")
LOGGER = logging.getLogger(__name__)


def setup(app):
    """Register the extension with Sphinx."""
    app.add_html_math_renderer("katex", (visit_inline, None), (visit_display, None))
    app.add_css_file(STYLE)
    app.connect("html-page-context", set_claims, priority=900)  # after `marks.py`
    app.connect("build-finished", write_style, priority=920)  # after all that write formulas
    tools = (Path(module).read_bytes() for module in (__file__, compact.__file__))
    return {
        "parallel_read_safe": True,
        "parallel_write_safe": True,
        # Who changes how formulas are written gets all pages anew.
        "env_version": int(hashlib.sha256(b"".join(tools)).hexdigest()[:8], 16),
    }


def write_style(app, exception):
    """Write the style sheet of the formulas that there are."""
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    files = [*out.glob("*.html"), *out.glob("book/*.html"), *out.glob("_static/**/*.js")]
    sheet = compact.style_sheet(file.read_text(encoding="utf-8") for file in files)
    (out / "_static" / STYLE).write_text(sheet, encoding="utf-8")


@cache
def engine():
    """Return a JavaScript engine that knows KaTeX."""
    racer = MiniRacer()
    racer.eval(SCRIPT.read_text(encoding="utf-8"))
    return racer


@cache
def typeset(tex, display, macros):
    """Return HTML of a formula: what is seen, and MathML for those who listen.

    Parameters
    ----------
    tex : str
    display : bool
        Whether it stands on a line of its own.
    macros : tuple of (str, str)
        Names without the backslash, and what they stand for.
    """
    options = {
        "displayMode": display,
        "throwOnError": True,
        "strict": "ignore",
        "macros": {f"\\{name}": value for name, value in macros},
    }
    return compact.compact(engine().call("katex.renderToString", tex, options))


def set_claims(app, pagename, templatename, context, doctree):
    """Set the formulas in claims of the ledger, which no Markdown has gone through."""
    macros = tuple(app.config.mathjax3_config["tex"]["macros"].items())

    def set_one(found):
        return set_dollars(found[0], macros)

    context["body"] = CLAIMS.sub(set_one, context.get("body", ""))


def set_dollars(text, macros):
    """Return HTML with what stands between dollars set as formulas."""

    def formula(found):
        return f'<span class="math">{typeset(html.unescape(found[1]), False, macros)}</span>'

    return DOLLARS.sub(formula, text)


def aligned(tex):
    """Return the body of a display; lines that are broken by hand are aligned at their &."""
    if r"\begin{" not in tex and r"\\" in tex:
        return rf"\begin{{split}}{tex}\end{{split}}"
    return tex


def _set(translator, node, tex, display):
    macros = tuple(translator.config.mathjax3_config["tex"]["macros"].items())
    try:
        return typeset(tex, display, macros)
    except JSEvalException as error:
        reason = str(error).partition("ParseError: ")[2].partition("\n")[0]
        LOGGER.warning("formula cannot be set: %s in %r", reason, tex, location=node)
        return f"<code>{translator.encode(tex)}</code>"


def visit_inline(translator, node):
    """Write a formula in the text."""
    translator.body.append(translator.starttag(node, "span", "", CLASS="math"))
    translator.body.append(_set(translator, node, node.astext(), False) + "</span>")
    raise nodes.SkipNode


def visit_display(translator, node):
    """Write a formula of its own, with its number and a link to it."""
    numbered = bool(node["number"]) and not node["nowrap"]
    translator.body.append(
        translator.starttag(node, "div", CLASS="math numbered" if numbered else "math")
    )
    tex = node.astext() if node["nowrap"] else aligned(node.astext())
    # Wide ones scroll in a box of their own, which the keyboard reaches.
    translator.body.append(f'<div class="formula">{_set(translator, node, tex, True)}</div>')
    if numbered:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append("</div>\n")
    raise nodes.SkipNode
