"""The notebooks that readers download: all cells of the chapter, and prose that reads anywhere."""

import shutil
import zipfile
from io import StringIO

import handout
import nbformat
import notebooks
import plain
import pytest
from docutils import nodes
from IPython.core.interactiveshell import InteractiveShell
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

MACROS = {"E": r"\mathbb{E}"}

INDEX = """\
# A book

```{toctree}
:numbered:
chapter
words
```
"""
WORDS = """\
# Words

Nothing runs here.

```{bibliography}
```
"""
CHAPTER = r"""---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# The *first* chapter

See {doc}`words`, {eq}`one`, {ref}`here <place>`, {numref}`fig-one`, {prf:ref}`thm`,
{cite:t}`knuth1984` and [the web](https://example.org/a_b).

It costs 5 \$ or 5\*6 \~ 30; a_b < c & `d`. With $\E [x]
= \Exp$.

\+ begins no item.

$$
\E x &= 1 \\
     &= 2
$$ (one)

(place)=
## A part

- One
  line.
- Two:

  $$
  y
  $$

3. Third.
4. Fourth.

Term
: Its meaning.

| $\vert x\|$ | **b** |
|---|---|
| `a\|b` | c\|d |

:::{note}
Mind the step.

$$
x
= 1
$$
:::

```{prf:theorem} Of $x$
:label: thm
If $x$.
```

:::{prf:proof}
It is {eq}`one`.
:::

> Quoted.

```{code-cell} ipython3
print(6 * 7)
```

```{code-cell} ipython3
:tags: [remove-cell]
secret = 1
```

```{code-cell} ipython3
---
mystnb:
  figure:
    name: fig-one
    caption: |
      Nothing, $\E$.
  image:
    alt: An empty plot.
tags: [hide-input]
---
import matplotlib.pyplot as plt

figure, axis = plt.subplots(figsize=(1, 1))
plt.show()
```

```python
x = "a listing"
```

```{exercise-start} Is it $x$?
:label: ex-one
```
The question.

:::{hint}
:class: dropdown
Think.
:::
```{exercise-end}
```

```{solution-start} ex-one
:class: dropdown
```

Yes:

```{code-cell} ipython3
print(secret)
```

It is.

```{solution-end}
```

## The end

<script>alert("!")</script>

Good-bye.
"""
BIBLIOGRAPHY = """\
@book{knuth1984, author = {Knuth, Donald}, title = {Programming}, year = {1984}, publisher = {A}}
"""
FIRST = r"""# 1 The *first* chapter
---
A chapter of the book *A book*, as a notebook.

It needs the Python package `ptft` with its extra `chapters`: in a copy of the book's repository,
`pip install ".[chapters]"` installs both.
---
See Words, (1.1), here, Fig. 1.1, Theorem 1.1, Knuth [1984] and [the web](<https://example.org/a_b>).

It costs 5 \$ or 5\*6 \~ 30; a\_b &lt; c &amp; `d`. With $\mathbb{E} [x] = \Exp$.

\+ begins no item.

$$
\begin{split}
\mathbb{E} x &= 1 \\
     &= 2
\end{split}
\tag{1.1}
$$

## 1.1 A part

- One line.

- Two:

  $$
  y
  $$

3. Third.
4. Fourth.

- **Term:** Its meaning.

| $\vert x\vert$ | **b** |
| --- | --- |
| `a\|b` | c\|d |

> **Note**
>
> Mind the step.
>
> $$ x = 1 $$

> **Theorem 1.1** (Of $x$)
>
> If $x$.

> *Proof.* It is (1.1).

> Quoted."""
LAST = r"""**Fig. 1.1.** Nothing, $\mathbb{E}$.

```python
x = "a listing"
```

### Exercise 1.1 (Is it $x$?)

The question.

<details>
<summary><b>Hint</b></summary>

Think.

</details>
---
<details>
<summary><b>Solution</b></summary>

Yes:

</details>
---
<details>
<summary><b>Solution, continued</b></summary>

It is.

</details>
---
## 1.2 The end

Good-bye."""


def build(folder):
    """Build the small book, and return where its pages are, and the warnings."""
    source, out = folder / "source", folder / "html"
    source.mkdir(exist_ok=True)
    shutil.rmtree(folder / "doctrees", ignore_errors=True)
    files = {"index.md": INDEX, "words.md": WORDS, "chapter.md": CHAPTER, "a.bib": BIBLIOGRAPHY}
    for name, text in files.items():
        (source / name).write_text(text)
    nbformat.write(notebooks.read_source(source / "chapter.md"), source / "chapter.ipynb")
    settings = {
        "html_title": "A book",
        "html_theme": "sphinx_book_theme",
        "nb_execution_mode": "cache",
        "extensions": [
            "myst_nb",
            "sphinx_exercise",
            "sphinx_proof",
            "sphinxcontrib.bibtex",
            "published",
        ],
        "myst_enable_extensions": ["amsmath", "colon_fence", "deflist", "dollarmath"],
        "mathjax3_config": {"tex": {"macros": MACROS}},
        "bibtex_bibfiles": ["a.bib"],
        "bibtex_reference_style": "author_year",
        "exercise_style": "solution_follow_exercise",
        "exclude_patterns": ["**.ipynb"],
    }
    warnings = StringIO()
    with patch_docutils(source), docutils_namespace():  # each build registers its own nodes
        folders = (source, None, out, folder / "doctrees")
        Sphinx(*folders, "html", settings, status=None, warning=warnings).build()
    return out, warnings.getvalue()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out, warnings = build(tmp_path_factory.mktemp("book"))
    assert warnings == ""
    return out


@pytest.fixture(scope="module")
def published(site):
    return nbformat.read(site / "_sources" / "chapter.ipynb", as_version=4)


def prose(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def test_the_page_reads_as_plain_markdown(published):
    assert "\n---\n".join(prose(published)) == f"{FIRST}\n---\n{LAST}"


def test_all_cells_are_there_and_run_as_they_were(site, published):
    reference = nbformat.read(site.parent / "source" / "chapter.ipynb", as_version=4)
    found, given = notebooks.code_cells(published), notebooks.code_cells(reference)
    assert [cell.source for cell in found] == [cell.source for cell in given]
    assert [cell.execution_count for cell in found] == [1, 2, 3, 4]
    assert "".join(cell.cell_type[0] for cell in published.cells) == "mmmcccmmcmm"
    nbformat.validate(published)


def test_outputs_and_pictures_are_stored(published):
    printed, hidden, drawn, solved = notebooks.code_cells(published)
    assert printed.outputs[0].text == "42\n"
    assert "image/png" in drawn.outputs[0].data
    assert solved.outputs[0].text == "1\n"
    assert hidden.outputs == []


def test_what_the_page_folds_is_folded(published):
    printed, hidden, drawn, solved = notebooks.code_cells(published)
    assert "jupyter" not in printed.metadata
    assert drawn.metadata.jupyter == {"source_hidden": True}
    for cell in (hidden, solved):
        assert cell.metadata.jupyter == {"source_hidden": True, "outputs_hidden": True}
        assert cell.metadata.cellView == "form"


def test_with_a_home_it_installs_itself_and_links_back(site, tmp_path, monkeypatch):
    monkeypatch.setenv("REPOSITORY_URL", "https://github.com/someone/ptft/")
    monkeypatch.setenv("BOOK_URL", "https://someone.github.io/ptft")
    shutil.copytree(site.parent / ".jupyter_cache", tmp_path / ".jupyter_cache")
    out, warnings = build(tmp_path)
    assert warnings == ""
    notebook = nbformat.read(out / "_sources" / "chapter.ipynb", as_version=4)
    source, install, text = (cell.source for cell in notebook.cells[1:4])
    home = "https://someone.github.io/ptft/"
    assert source.startswith(f"[A chapter]({home}chapter.html) of the book [*A book*]({home}index")
    assert f"See [Words]({home}words.html), (1.1)" in text
    assert f"Knuth [[1984]({home}words.html#id" in text
    assert install.endswith(
        '%pip install --quiet "ptft[chapters] @ git+https://github.com/someone/ptft"'
    )
    assert harmless(install)
    assert notebook.cells[4].outputs[0].text == "42\n"  # from the cache


def harmless(install):
    """Say whether a cell does nothing where ptft is installed."""
    session = InteractiveShell()
    session.run_line_magic = lambda *words: pytest.fail(f"it ran {words}")
    return session.run_cell(install, store_history=False).success


def test_the_archive_has_all_notebooks_in_order(site):
    with zipfile.ZipFile(site / "ptft-notebooks.zip") as archive:
        names = archive.namelist()
        text = archive.read("ptft-notebooks/README.md").decode()
        stored = archive.read("ptft-notebooks/chapter.ipynb")
    assert names == ["ptft-notebooks/README.md", "ptft-notebooks/chapter.ipynb"]
    assert "- The first chapter: `chapter.ipynb`" in text
    assert stored == (site / "_sources" / "chapter.ipynb").read_bytes()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("As {doc}`words` says", "has a role: {doc}`"),
        ("See {prf:ref}`x`", "has a role: {prf:ref}`"),
        ("> :::{note}\n> x", "has a directive: > :::{"),
        ("```{figure} x.png", "has a directive: ```{"),
        ("(place)=\n# A", "has a target: (place)="),
        (r"$\E x$", r"has a macro: \E"),
    ],
)
def test_what_is_left_over_is_found(text, problem):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
    assert list(handout.problems(notebook, MACROS)) == [problem]


def test_an_invalid_notebook_is_found():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x")])
    notebook.cells[0].outputs = ["none"]
    [problem] = handout.problems(notebook, MACROS)
    assert problem.startswith("is not valid: ")


def test_a_node_without_markdown_is_reported(caplog):
    strange = nodes.paragraph("", "", nodes.subscript("", "text"))
    caplog.set_level("WARNING", "sphinx")
    assert plain.Writer({}, None, {}).block(strange) == "text"
    assert "no plain Markdown for <subscript>" in caplog.text
