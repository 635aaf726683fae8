"""Sphinx extension: offer every chapter as a notebook, and link to the repository if it has a home.

The book has no fixed host. Whoever publishes it says where its sources are, in one place:

    REPOSITORY_URL=https://github.com/OWNER/NAME make book

With it every page links to the repository, and every chapter to Google Colab.
"""

import os
import shutil
from pathlib import Path

COLAB = "https://colab.research.google.com"


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("config-inited", name_repository)
    app.connect("html-page-context", offer_notebook)
    app.connect("html-page-context", load_once, priority=900)
    app.connect("build-finished", copy_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def name_repository(app, config):
    """Switch on the theme's links to the repository, if there is one."""
    url = os.environ.get("REPOSITORY_URL", "").rstrip("/")
    if url:
        config.html_theme_options.update(
            repository_url=url,
            repository_branch=os.environ.get("REPOSITORY_BRANCH", "main"),
            use_repository_button=True,
            use_issues_button=True,
            launch_buttons={"colab_url": COLAB},
        )


def offer_notebook(app, pagename, templatename, context, doctree):
    """Put the chapter's reference notebook into the page's download menu."""
    if _reference(app, pagename).is_file():
        context["ipynb_source"] = f"{pagename}.ipynb"


def load_once(app, pagename, templatename, context, doctree):
    """Drop repeated scripts: Sphinx repeats those without a file, and constants allow no second."""
    scripts = context["script_files"]
    scripts[:] = {(js.filename or "", repr(js.attributes)): js for js in scripts}.values()


def copy_notebooks(app, exception):
    """Publish the references: they have been checked, and open where MyST does not."""
    if exception is not None or app.builder.format != "html":
        return
    for page in app.env.found_docs:
        if _reference(app, page).is_file():
            shutil.copy2(_reference(app, page), Path(app.outdir, "_sources", f"{page}.ipynb"))


def _reference(app, page):
    return Path(app.srcdir, f"{page}.ipynb")
