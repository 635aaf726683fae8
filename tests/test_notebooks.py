"""The references of the chapters: written the same everywhere, and found out when stale."""

import os
import subprocess
from pathlib import Path

import nbformat
import notebooks
import pytest

CHAPTER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A chapter

```{code-cell} ipython3
print(6 * 7)
```
"""

FIGURE = """
```{code-cell} ipython3
---
mystnb:
  image:
    alt: An empty figure.
---
import matplotlib.pyplot as plt

figure = plt.figure()
plt.show()
```
"""


@pytest.fixture
def chapter(tmp_path):
    path = tmp_path / "chapter.md"
    path.write_text(CHAPTER)
    return path


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    path = tmp_path_factory.mktemp("reference") / "chapter.md"
    path.write_text(CHAPTER)
    notebooks.refresh(path)
    return path.with_suffix(".ipynb").read_bytes()


@pytest.fixture
def refreshed(chapter, reference):
    chapter.with_suffix(".ipynb").write_bytes(reference)
    return chapter


def cells(chapter):
    return nbformat.read(chapter.with_suffix(".ipynb"), as_version=4).cells


def test_the_books_references_are_current():
    assert notebooks.check_all() == []


def test_refresh_keeps_the_outputs(refreshed):
    assert cells(refreshed)[1].outputs[0].text == "42\n"
    assert list(notebooks.problems(refreshed)) == []


def test_refresh_writes_the_same_bytes_twice(refreshed):
    before = refreshed.with_suffix(".ipynb").read_bytes()
    notebooks.refresh(refreshed)
    assert refreshed.with_suffix(".ipynb").read_bytes() == before


def test_identifiers_of_cells_follow_their_text(chapter):
    before = notebooks.read_source(chapter).cells[-1].id
    chapter.write_text(CHAPTER.replace("# A chapter", "# A chapter\n\n+++\n\nA new cell."))
    after = [cell.id for cell in notebooks.read_source(chapter).cells]
    assert after[-1] == before
    assert len(set(after)) == len(after)


def test_missing_reference(chapter):
    assert list(notebooks.problems(chapter)) == ["has no reference"]


@pytest.mark.parametrize(("old", "new"), [("6 * 7", "6 * 8"), ("A chapter", "The chapter")])
def test_edited_source(refreshed, old, new):
    refreshed.write_text(CHAPTER.replace(old, new))
    assert list(notebooks.problems(refreshed)) == ["has a reference that differs from its source"]


def test_cell_that_never_ran(refreshed):
    path = refreshed.with_suffix(".ipynb")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].update(execution_count=None, outputs=[])
    nbformat.write(notebook, path)
    [problem] = notebooks.problems(refreshed)
    assert problem == "has a reference with a cell that never ran: print(6 * 7)"


def test_figure_is_left_out(chapter):
    chapter.write_text(CHAPTER + FIGURE)
    notebooks.refresh(chapter)
    assert list(cells(chapter)[2].outputs[0].data) == ["text/plain"]
    assert list(notebooks.problems(chapter)) == []


def test_figure_without_description(refreshed):
    path = refreshed.with_suffix(".ipynb")
    notebook = nbformat.read(path, as_version=4)
    data = {"text/plain": "<Figure size 640x480 with 1 Axes>"}
    notebook.cells[1].outputs = [nbformat.v4.new_output("display_data", data=data)]
    nbformat.write(notebook, path)
    assert list(notebooks.problems(refreshed)) == ["has a figure without alt text: print(6 * 7)"]


def test_failing_chapter_is_reported_and_leaves_its_reference(refreshed, capsys):
    refreshed.write_text(CHAPTER.replace("print(6 * 7)", "1 / 0"))
    before = refreshed.with_suffix(".ipynb").read_bytes()
    [message] = notebooks.refresh_all(["chapter"], refreshed.parent)
    assert message.startswith("chapter.md failed")
    assert "ZeroDivisionError" in message
    assert refreshed.with_suffix(".ipynb").read_bytes() == before


def test_reference_without_chapter(refreshed):
    refreshed.unlink()
    assert notebooks.check_all(folder=refreshed.parent) == ["chapter.ipynb has no chapter"]


def test_pages_without_code_are_no_chapters(chapter):
    (chapter.parent / "index.md").write_text("# A page\n")
    assert notebooks.chapters(folder=chapter.parent) == [chapter]
    with pytest.raises(ValueError, match=r"index\.md is not a chapter"):
        notebooks.chapters(["index"], chapter.parent)


def test_exit_status(monkeypatch, capsys):
    monkeypatch.setattr(notebooks, "check_all", lambda names: [])
    assert notebooks.main(["check"]) == 0
    monkeypatch.setattr(notebooks, "check_all", lambda names: ["chapter.md has no reference"])
    assert notebooks.main(["check"]) == 1
    assert "chapter.md has no reference" in capsys.readouterr().err


@pytest.fixture
def leaky_home(tmp_path):
    """A reader's home whose every setting would change what cells print."""
    startup = tmp_path / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("import numpy; numpy.set_printoptions(precision=1); leak = 1")
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 77\n")
    return tmp_path


def make_environment(repository, **settings):
    """Return the environment that `make` gives to what it runs."""
    rule = "--eval=environment: ; @env -0"
    command = ["make", "--silent", "--no-print-directory", rule, "environment"]
    found = subprocess.run(command, cwd=repository, env=settings, capture_output=True, check=True)
    return dict(line.split("=", 1) for line in found.stdout.decode().split("\0") if line)


def test_a_readers_settings_do_not_reach_the_cells(repository, leaky_home, tmp_path, monkeypatch):
    theirs = {"HOME": str(leaky_home), "PATH": os.environ["PATH"]}
    theirs |= {"MATPLOTLIBRC": str(leaky_home), "MPLCONFIGDIR": "/proc/none"}
    ours = make_environment(repository, **theirs)
    assert "MATPLOTLIBRC" not in ours
    homes = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "MPLCONFIGDIR")
    assert all(Path(ours[name]).is_relative_to(repository / ".venv") for name in homes)
    code = "import numpy, matplotlib\nprint(numpy.pi * numpy.ones(1), 'leak' in globals())\n"
    code += "matplotlib.rcParams['lines.linewidth']"
    for name in ("MATPLOTLIBRC", "PYTHONSTARTUP"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", *homes):
        monkeypatch.setenv(name, ours[name])
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    (tmp_path / "book").mkdir()
    printed, width = notebooks.execute(notebook, tmp_path / "book").cells[0].outputs
    assert printed.text == "[3.14159265] False\n"
    assert width.data["text/plain"] == "1.5"
