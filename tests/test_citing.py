"""What the book offers to cite parses, names people and versions, and agrees wherever it stands."""

import json
import re
import subprocess
from types import SimpleNamespace

import citing
import pytest
from pybtex.database import parse_file, parse_string

import ptft

PAPERS = ("anguita2026theory", "domine2024lazy")


@pytest.fixture(scope="module")
def bibliography(repository):
    return parse_file(repository / "book" / "references.bib").entries


def entry(key):
    [found] = parse_string(citing.bibtex(key), "bibtex").entries.values()
    return found


def test_one_version_everywhere(repository):
    about = citing.citation()
    zenodo = json.loads((repository / ".zenodo.json").read_text("utf-8"))
    versions = {about["version"], about["preferred-citation"]["version"], zenodo["version"]}
    assert versions == {ptft.__version__}
    assert str(about["preferred-citation"]["year"]) == str(about["date-released"])[:4]


@pytest.mark.parametrize("key", ["ptft", "ptft-book"])
def test_own_entries_have_author_year_and_version(key, monkeypatch):
    monkeypatch.setattr(citing, "commit", lambda: "abc1234")
    monkeypatch.setenv("REPOSITORY_URL", "https://example.org/x/")
    monkeypatch.setenv("BOOK_URL", "https://example.org/x/")
    found = entry(key)
    [author] = found.persons["author"]
    assert (
        author.last_names == ["the ptft contributors"] or str(author) == "{the ptft contributors}"
    )
    assert found.fields["year"] == "2026"
    assert found.fields["note"] == f"Version {ptft.__version__}, commit abc1234"
    assert found.fields["url"] == "https://example.org/x"


def test_without_an_address_none_is_made_up(monkeypatch):
    monkeypatch.delenv("REPOSITORY_URL", raising=False)
    monkeypatch.setattr(citing, "commit", lambda: "")
    assert "url" not in entry("ptft").fields
    assert entry("ptft").fields["note"] == f"Version {ptft.__version__}"


@pytest.mark.parametrize("key", PAPERS)
def test_papers_are_cited_by_their_authors_everywhere(key):
    found = entry(key)
    people = [
        (" ".join(p.first_names + p.middle_names), p.last_names[0]) for p in found.persons["author"]
    ]
    [described] = [w for w in citing.citation()["references"] if w["url"] == found.fields["url"]]
    assert people == [(a["given-names"], a["family-names"]) for a in described["authors"]]
    assert described["doi"] == found.fields["doi"]
    assert len(people) == 7


def test_an_unknown_key_is_an_error():
    with pytest.raises(KeyError):
        citing.bibtex("nobody1900")


def test_dois_are_well_formed_and_differ(bibliography):
    dois = [e.fields["doi"] for e in bibliography.values() if "doi" in e.fields]
    assert len(dois) > 40
    assert all(re.fullmatch(r"10\.\d{4,5}/\S+", doi) for doi in dois)
    assert len(set(dois)) == len(dois)


def test_labels_tell_entries_apart(bibliography):
    labels = list(citing.AuthorYear().format_labels(bibliography.values()))
    assert len(set(labels)) == len(labels)
    assert "Anguita et al., 2026" in labels
    assert "Beck and Teboulle, 2003" in labels
    assert "The mpmath development team, 2023" in labels


@pytest.mark.parametrize(
    ("key", "link", "others"),
    [
        ("anguita2026theory", "arXiv:2602.20062", ["doi:", "URL"]),
        ("stein1981estimation", "doi:10.1214/aos/1176345632", ["URL", "arXiv"]),
        ("saxe2013exact", "URL: https://openreview.net", ["doi", "arXiv"]),
    ],
)
def test_one_link_an_entry(bibliography, key, link, others):
    [shown] = citing.Bibliography().format_entries([bibliography[key]])
    text = str(shown.text)
    assert link in text
    assert not any(other in text for other in others)


def test_the_commit_is_the_books_own(tmp_path, monkeypatch):
    monkeypatch.setattr(citing, "ROOT", tmp_path / "book")
    (tmp_path / "book").mkdir()
    assert citing.commit() == ""
    git = ("git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org")
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "book" / "a").write_text("a")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "x"], check=True)
    assert citing.commit() == ""  # of the repository around it
    monkeypatch.setattr(citing, "ROOT", tmp_path)
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    assert citing.commit() == head.stdout.strip()
    (tmp_path / "book" / "a").write_text("b")
    assert citing.commit().endswith(" and changes")


def test_the_footer_names_version_commit_and_licences(monkeypatch):
    monkeypatch.setattr(citing, "commit", lambda: "abc1234")
    for expected in (f"Version {ptft.__version__}", "abc1234", "CC BY 4.0", "MIT"):
        assert expected in citing.footer()


@pytest.mark.parametrize(
    ("to_first", "target"), [("#", "#cite"), ("index.html", "index.html#cite")]
)
def test_the_footer_leads_to_the_section_on_citing(to_first, target):
    context = {"pathto": lambda name: to_first, "theme_extra_footer": citing.footer()}
    app = SimpleNamespace(config=SimpleNamespace(root_doc="book/index"))
    citing.link_footer(app, "page", "page.html", context, None)
    assert f'href="{target}"' in context["theme_extra_footer"]
