"""Sphinx extension: offer every chapter as a notebook, and link to the repository if it has a home.

The book has no fixed host. Whoever publishes it says where its sources and its pages are:

    REPOSITORY_URL=https://github.com/OWNER/NAME BOOK_URL=https://OWNER.github.io/NAME/ make book

With the first every page links to the repository, every chapter to Google Colab and Binder, and the
notebooks install the package from there; with the second the notebooks link back to the book. Colab
and Binder open the folder `book` of the branch REPOSITORY_BRANCH: by default of `main`, with the
references, which install nothing. `.github/workflows/book.yml` keeps a branch of those that do.
"""

import contextlib
import hashlib
import os
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin

import handout
import nbformat
import numbering
import plain
from jupyter_cache import get_cache
from sphinx.util import logging

COLAB = "https://colab.research.google.com"
BINDER = "https://mybinder.org"
ARCHIVE = "ptft-notebooks.zip"
INSTALL = """\
# Where the package is missing, as in Google Colab: install it, with what this notebook imports.
import importlib.util

if importlib.util.find_spec("ptft") is None:
    %pip install --quiet "ptft[chapters] @ git+{url}"
"""
NEEDS = """\
It needs the Python package `ptft` with its extra `chapters`: in a copy of the book's repository,
`pip install ".[chapters]"` installs both.
"""
README = """\
# {name}

The chapters as notebooks, in this order:

{chapters}

They need the Python package `ptft` with its extra `chapters`: in a copy of the book's repository,
`pip install ".[chapters]"` installs both, and `pip install ".[book]"` also JupyterLab.
"""
LOGGER = logging.getLogger(__name__)


def setup(app):
    """Register the extension with Sphinx."""
    notebooks = {}

    def keep(app, doctree, page):
        if app.builder.format == "html" and _reference(app, page).is_file():
            notebooks[page] = chapter_notebook(app, doctree, page)

    def write(app, exception):
        if exception is None and app.builder.format == "html":
            write_notebooks(app, notebooks)

    app.connect("config-inited", name_homes)
    app.connect("doctree-resolved", keep, priority=900)  # after all that change the page
    app.connect("html-page-context", offer_notebook)
    app.connect("html-page-context", load_once, priority=900)
    app.connect("build-finished", write)
    modules = (__file__, handout.__file__, numbering.__file__, plain.__file__)
    tools = (Path(module).read_bytes() for module in modules)
    return {
        "parallel_read_safe": True,
        "parallel_write_safe": True,
        # Who changes these tools gets all pages anew; their outputs come from the cache.
        "env_version": int(hashlib.sha256(b"".join(tools)).hexdigest()[:8], 16),
    }


def name_homes(app, config):
    """Switch on the theme's links to the repository, and the notebooks' to the book."""
    if url := _repository():
        config.html_theme_options.update(
            repository_url=url,
            repository_branch=os.environ.get("REPOSITORY_BRANCH", "main"),
            use_repository_button=True,
            use_issues_button=True,
            launch_buttons={
                "colab_url": COLAB,
                "binderhub_url": BINDER,
                "notebook_interface": "jupyterlab",
            },
        )
    if os.environ.get("BOOK_URL"):
        config.html_baseurl = os.environ["BOOK_URL"].rstrip("/") + "/"


def _repository():
    return os.environ.get("REPOSITORY_URL", "").rstrip("/")


def offer_notebook(app, pagename, templatename, context, doctree):
    """Put the chapter's notebook into the page's download menu."""
    if _reference(app, pagename).is_file():
        context["ipynb_source"] = f"{pagename}.ipynb"


def load_once(app, pagename, templatename, context, doctree):
    """Drop repeated scripts: Sphinx repeats those without a file, and constants allow no second."""
    scripts = context["script_files"]
    scripts[:] = {(js.filename or "", repr(js.attributes)): js for js in scripts}.values()


def chapter_notebook(app, doctree, page):
    """Return a chapter's notebook, and warn of what is wrong with it."""
    macros = app.config.mathjax3_config["tex"]["macros"]
    writer = plain.Writer(page_numbers(app.env, doctree, page), linker(app, page), macros)
    pieces = writer.pieces(doctree)
    notebook = handout.assemble(executed(app, page), pieces, introduction(app, page))
    for problem in handout.problems(notebook, macros):
        LOGGER.warning("the chapter's notebook %s", problem, location=page)
    return notebook


def executed(app, page):
    """Return a page's cells with the outputs of this build."""
    copy = Path(app.outdir, "..", "jupyter_execute", f"{page}.ipynb")  # MyST-NB writes it
    notebook, config = nbformat.read(copy, as_version=4), app.env.mystnb_config
    if config.execution_mode == "cache":  # then its copy may lack the outputs
        cache = get_cache(config.execution_cache_path)
        with contextlib.suppress(KeyError):  # the page failed, which has been said
            _, notebook = cache.merge_match_into_notebook(notebook, cell_meta=())
    return notebook


def page_numbers(env, doctree, page):
    """Return the numbers of a page's sections, figures, equations and the like."""
    numbers = {kind: _dotted(found) for kind, found in env.toc_fignumbers.get(page, {}).items()}
    top = doctree.next_node(lambda node: node.tagname == "section")["ids"][0]
    sections = _dotted(env.toc_secnumbers.get(page, {}))
    numbers["section"] = {anchor[1:] or top: number for anchor, number in sections.items()}
    for label, papers in numbering.table().items():
        if (anchor := f"equation-{label}") in numbers.get("displaymath", {}):
            numbers["displaymath"][anchor] += f"; {numbering.words(papers)}"
    return numbers


def _dotted(numbers):
    # Below the depth to which sections are numbered Sphinx has None.
    return {name: ".".join(map(str, number or ())) for name, number in numbers.items()}


def linker(app, page):
    """Return a function of address and text that writes a page's links as they hold elsewhere."""
    here = app.builder.get_target_uri(page)

    def link(address, text):
        target = urljoin(here, address)
        path = target.partition("#")[0]
        if "://" in target:
            return f"[{text}](<{target}>)"
        if path == here:
            return text
        if app.config.html_baseurl:
            return f"[{text}]({app.config.html_baseurl}{target})"
        other = PurePosixPath(path).with_suffix("")
        return f"[{text}]({other.name}.ipynb)" if _reference(app, other).is_file() else text

    return link


def introduction(app, page):
    """Return the cells below the title: where the notebook is from, and what it needs."""
    if not _repository():
        return [nbformat.v4.new_markdown_cell(f"{_source(app, page)}\n\n{NEEDS.strip()}")]
    install = nbformat.v4.new_code_cell(INSTALL.format(url=_repository()).strip())
    return [nbformat.v4.new_markdown_cell(_source(app, page)), install]


def _source(app, page):
    name, base, uri = app.config.html_title, app.config.html_baseurl, app.builder.get_target_uri
    if not base:
        return f"A chapter of the book *{name}*, as a notebook."
    book, chapter = base + uri(app.config.root_doc), base + uri(page)
    return f"[A chapter]({chapter}) of the book [*{name}*]({book}), as a notebook."


def write_notebooks(app, notebooks):
    """Write the notebooks of the pages that were built, and the archive of all."""
    folder = Path(app.outdir, "_sources")
    for page, notebook in notebooks.items():
        path = folder / f"{page}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
    pages = [page for page in _in_order(app.env) if _reference(app, page).is_file()]
    files = {f"{PurePosixPath(page).name}.ipynb": folder / f"{page}.ipynb" for page in pages}
    titles = (app.env.titles[page].astext() for page in pages)
    chapters = "\n".join(f"- {title}: `{name}`" for title, name in zip(titles, files, strict=True))
    text = README.format(name=app.config.html_title, chapters=chapters)
    handout.write_archive(Path(app.outdir, ARCHIVE), files, text)


def _in_order(env):
    """Return the book's pages in the order of its table of contents."""
    pages, found = [env.config.root_doc], []
    while pages:
        found.append(pages.pop(0))
        pages = env.toctree_includes.get(found[-1], []) + pages
    return found


def _reference(app, page):
    return Path(app.srcdir, f"{page}.ipynb")
