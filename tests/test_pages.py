"""The check of the built book finds what is missing from it; two pages list all of the package."""

import pkgutil
import re
from types import SimpleNamespace

import pages
import published
import pytest

import ptft

TOC = """\
format: jb-book
root: book/index
chapters:
  - file: book/theorem
"""


@pytest.fixture
def site(tmp_path):
    (tmp_path / "_toc.yml").write_text(TOC)
    html = tmp_path / "html"
    (html / "book").mkdir(parents=True)
    for name in ("index", "theorem"):
        (html / "book" / f"{name}.html").write_text("<h1>Title</h1>")
    return html


def complaints(site):
    return pages.check(site, site.parent / "_toc.yml")


def test_complete(site):
    assert complaints(site) == []


def test_empty(tmp_path):
    (tmp_path / "_toc.yml").write_text(TOC)
    assert len(pages.check(tmp_path, tmp_path / "_toc.yml")) == 2


def test_lost_page(site):
    (site / "book" / "theorem.html").unlink()
    assert complaints(site) == ["book/theorem.html was not built"]


def test_stray_page(site):
    (site / "book" / "old.html").write_text("<h1>Old</h1>")
    assert complaints(site) == ["book/old.html is not in the table of contents"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("<p>Text</p>", "has no title"),
        (
            "<h1>T</h1><pre>&lt;Figure size 640x480 with 2 Axes&gt;</pre>",
            "lacks 1 figures, which could not be drawn",
        ),
        ("<h1>T</h1><img src='a.png'>", "has an image without alt text: a.png"),
        ("<h1>T</h1><img src='a.png' alt=''>", "has an image without alt text: a.png"),
        (
            "<h1>T</h1><script src='https://cdn/x.js'></script>",
            "needs a network for https://cdn/x.js",
        ),
        ("<h1>T</h1><a href='gone.html#x'>x</a>", "links to gone.html, which is not there"),
        ("<h1>T</h1><a href='../all.zip'>x</a>", "links to ../all.zip, which is not there"),
    ],
)
def test_flawed_page(site, body, problem):
    (site / "book" / "theorem.html").write_text(body)
    assert complaints(site) == [f"book/theorem.html {problem}"]


def test_links_that_hold(site):
    body = "<h1>T</h1><a href='index.html#x'>x</a><a href='https://arxiv.org/a.html'>y</a>"
    (site / "book" / "theorem.html").write_text(body)
    assert complaints(site) == []


def test_scripts_are_loaded_once():
    """Sphinx lists a script without a file twice, the second time with an empty name."""
    inline = {"body": "const once = 1;"}
    scripts = [
        SimpleNamespace(filename=name, attributes=attributes)
        for name, attributes in ((None, inline), ("a.js", {}), ("", inline), ("b.js", {}))
    ]
    published.load_once(None, "page", "page.html", {"script_files": scripts}, None)
    assert [script.filename or "inline" for script in scripts] == ["inline", "a.js", "b.js"]


def test_the_package_page_lists_every_module(repository):
    text = (repository / "book" / "package.md").read_text(encoding="utf-8")
    found = [module.name for module in pkgutil.walk_packages(ptft.__path__, "ptft.")]
    names = sorted(name for name in found if not name.rpartition(".")[2].startswith("_"))
    assert sorted(re.findall(r"^.. automodule:: (\S+)$", text, re.M)) == names


@pytest.fixture
def notation(repository):
    """Return the names in the package that the notation's tables give."""
    text = (repository / "book" / "notation.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ")]
    cells = [row[3] for row in rows if len(row) == 5 and "symbol" not in row[0]]
    return {name for cell in cells for name in re.findall(r"`([\w.]+)`(?! in sig)", cell)}


def test_the_notation_names_what_is_there(notation):
    assert len(notation) > 50
    assert [name for name in sorted(notation) if not exists(name)] == []


def exists(name):
    """Say whether a dotted name is an attribute, or a dataclass's field."""
    owner, _, attribute = f"ptft.{name}".rpartition(".")
    owner = pkgutil.resolve_name(owner)
    return hasattr(owner, attribute) or attribute in getattr(owner, "__dataclass_fields__", ())


def test_the_notation_lists_all_that_the_package_offers(notation):
    assert set(ptft.__all__) <= {name.partition(".")[0] for name in notation}
