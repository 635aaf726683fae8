"""Sphinx extension: what to cite, ready to copy; one style of citation; what built each page.

    :::{bibtex} KEY
    :::

shows an entry of the bibliography as it stands there, or "ptft" and "ptft-book": the package and
this book, as `CITATION.cff` describes them. The bibliography has the labels that the text cites by.
Every page's footer names version, commit and licences.
"""

import os
import re
from pathlib import Path

import yaml
from docutils import nodes
from pybtex.plugin import register_plugin
from pybtex.style.formatting.unsrt import Style
from pybtex.style.labels import BaseLabelStyle
from pybtex.style.template import first_of, optional, sentence
from sphinx.util.docutils import SphinxDirective

from ptft.sweeps import provenance

ROOT = Path(__file__).resolve().parents[2]
STYLE = "author_year_links"
LICENCES = (
    'text and figures: <a href="https://creativecommons.org/licenses/by/4.0/">CC BY 4.0</a>, '
    'code: <a href="https://opensource.org/license/mit">MIT</a>'
)
CITE = "{cite}"  # where a page's own address of the section on citing goes


class AuthorYear(BaseLabelStyle):
    """Labels that are the citations in the text: "Anguita et al., 2026"."""

    def format_labels(self, sorted_entries):
        """Yield each entry's label."""
        return (f"{_names(entry)}, {entry.fields['year']}" for entry in sorted_entries)


def _names(entry):
    names = [" ".join([*p.prelast_names, *p.last_names]) for p in entry.persons["author"]]
    names = [re.sub(r"[{}]", "", name) for name in names]
    return f"{names[0]} et al." if len(names) > 2 else " and ".join(names)


class Bibliography(Style):
    """Sphinx's plain style, by author and year, with one link an entry."""

    default_label_style = AuthorYear
    default_sorting_style = "author_year_title"

    def format_web_refs(self, e):
        """Return the most lasting address; arXiv's DOIs say no more than its numbers."""
        doi, eprint, url = self.format_doi(e), self.format_eprint(e), self.format_url(e)
        if "arxiv" in e.fields.get("doi", "").lower():
            return sentence[eprint]
        return sentence[optional[first_of[optional[doi], optional[eprint], optional[url]]]]


def citation():
    """Return what `CITATION.cff` says."""
    return yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))


def bibtex(key):
    """Return an entry to copy: of the bibliography, or "ptft" or "ptft-book"."""
    if key in ("ptft", "ptft-book"):
        return _own(key)
    text = (ROOT / "book" / "references.bib").read_text("utf-8")
    found = re.search(rf"^@\w+\{{{re.escape(key)},\n.*?^\}}", text, re.DOTALL | re.MULTILINE)
    if found is None:
        raise KeyError(key)
    return found[0]


def _own(key):
    about = citation()
    work = about if key == "ptft" else about["preferred-citation"]
    url = os.environ.get("REPOSITORY_URL" if key == "ptft" else "BOOK_URL", "")
    fields = {
        "author": " and ".join(f"{{{author['name']}}}" for author in work["authors"]),
        "title": _keep_case(work["title"]),
        "year": str(work.get("year") or str(about["date-released"])[:4]),
        "version": work["version"],
        "note": f"Version {work['version']}" + (f", commit {found}" if (found := commit()) else ""),
        "url": url.rstrip("/"),
    }
    kind = "software" if key == "ptft" else "misc"
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{key}{fields['year']},", *lines, "}"])


def _keep_case(title):
    # BibTeX would write "ptft:" as "Ptft:" in some styles, and names in lower case.
    return re.sub(r"\b(ptft)\b", r"{\1}", title)


def commit():
    """Return the commit that the book is built from, or nothing where that is not known."""
    # An archive of the sources may have been unpacked in somebody else's repository.
    if _git("rev-parse", "--show-toplevel") != str(ROOT):
        return ""
    changed = _git("status", "--porcelain", "--untracked-files=no")
    return _git("rev-parse", "--short", "HEAD") + " and changes" * bool(changed)


def _git(*arguments):
    return provenance.output("git", "-C", str(ROOT), *arguments)


def footer():
    """Return a page's last line, in HTML."""
    found = commit()
    built = f"Version {citation()['version']}" + (f", commit <code>{found}</code>" if found else "")
    return f'<p>{built} · <a href="{CITE}">how to cite</a> · {LICENCES}</p>'


class BibtexDirective(SphinxDirective):
    """`{bibtex} KEY`, see above."""

    required_arguments = 1

    def run(self):
        """Return the entry as a listing."""
        [key] = self.arguments
        self.env.note_dependency(str(ROOT / "CITATION.cff"))
        try:
            text = bibtex(key)
        except KeyError:
            raise self.error(f"bibtex: there is no entry {key!r}") from None
        return [nodes.literal_block(text, text, language="bibtex")]


def set_footer(app, config):
    """Put the footer into the theme's options: when it changes, all pages are written anew."""
    config.html_theme_options["extra_footer"] = footer()


def link_footer(app, pagename, templatename, context, doctree):
    """Let the footer's link lead to the first page from this one."""
    first = context["pathto"](app.config.root_doc)
    target = f"{first if first != '#' else ''}#cite"
    context["theme_extra_footer"] = context.get("theme_extra_footer", "").replace(CITE, target)


def setup(app):
    """Register the extension with Sphinx."""
    register_plugin("pybtex.style.formatting", STYLE, Bibliography)
    app.add_directive("bibtex", BibtexDirective)
    app.connect("config-inited", set_footer)
    app.connect("html-page-context", link_footer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
