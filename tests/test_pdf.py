"""The PDF has the pages' numbers; what needs a browser is mentioned."""

from types import SimpleNamespace

import numbering
import pdf
import pytest
from docutils import nodes
from explorer import Explorer
from sphinx import addnodes
from sphinx_exercise.nodes import exercise_node
from sphinx_proof.nodes import find_parent, proof_node

from ptft.companion import equations, ledger


@pytest.fixture
def book():
    root = nodes.container()
    for name in ("book/teaching", "book/network"):
        start = addnodes.start_of_file(docname=name)
        start += [nodes.section("", nodes.title("", "T"), ids=["t"]), Explorer(view="all")]
        root += start
    numbers = {"book/network": {"": (2,), "#a": (2, 1)}, "book/teaching": {}}
    titles = {name: nodes.title("", "T") for name in numbers}
    return root, SimpleNamespace(toc_secnumbers=numbers, titles=titles)


def app(env, kind="latex"):
    config = SimpleNamespace(numfig_secnum_depth=0)
    return SimpleNamespace(builder=SimpleNamespace(format=kind), env=env, config=config)


def test_chapters_have_the_pages_numbers(book):
    root, env = book
    pdf.adapt(app(env), root, "book/index")
    raws = [node.astext().strip() for node in root.findall(nodes.raw)]
    assert raws[0] == r"\setcounter{secnumdepth}{-1}"
    assert raws[1] == r"\setcounter{secnumdepth}{2}\setcounter{chapter}{1}"
    assert not list(root.findall(Explorer))
    assert root.astext().count(pdf.SENTENCE) == 2


def test_theorems_are_counted_by_chapter_and_figures_below_parts(book):
    root, env = book
    one = app(env)
    pdf.count_by_chapter(one)
    assert one.config.numfig_secnum_depth == 1
    pdf.adapt(one, root, "book/index")
    assert one.config.numfig_secnum_depth == 2


def test_equations_that_are_the_papers_say_so(book):
    root, env = book
    label, numbers = next(iter(numbering.table().items()))
    for name in (label, "mine"):
        root[0] += nodes.math_block("x", "x", label=name)
    pdf.adapt(app(env), root, "book/index")
    marked, mine = root.findall(nodes.math_block)
    index = marked.parent.index(marked)
    said = marked.parent[index - 1].astext()
    assert said.strip() == rf"\papernumber{{{numbering.words(numbers)}}}"
    assert mine.parent[index + 1] is mine


def test_a_link_finds_its_exercise(book):
    root, env = book
    root[1] += exercise_node("", label="ex-network-1")
    pdf.adapt(app(env), root, "book/index")
    [one] = root.findall(exercise_node)
    label = r"\detokenize{book/network:ex-network-1}"
    assert one.parent[one.parent.index(one) - 1].astext().strip().endswith(f"\\label{{{label}}}")


def test_a_theorem_finds_its_chapter_where_a_section_has_the_same_title(book):
    root, env = book
    start = next(iter(root))
    chapter = start[0]
    chapter["names"], chapter["docname"] = [], start["docname"]  # the name is the section's
    theorem = nodes.container()
    chapter += theorem
    assert find_parent(env, theorem, "section") is None
    pdf.adapt(app(env), root, "book/index")
    assert find_parent(env, theorem, "section") == start["docname"]


def test_proofs_have_no_box(book):
    root, env = book
    text = nodes.paragraph("", "", nodes.Text("Proof. Add "), nodes.math("x", "x"))
    root[0] += proof_node("", nodes.admonition("", text, classes=["proof"]))
    pdf.adapt(app(env), root, "book/index")
    assert not [*root.findall(proof_node), *root.findall(nodes.admonition)]
    assert [type(child).__name__ for child in text] == ["emphasis", "Text", "math"]
    assert text.astext() == "Proof. Add x"


def test_the_index_sorts_latin_letters(book):
    root, env = book
    entry = ("single", "ℓ-order; what it is", "term-1", "main", None)
    root[0] += addnodes.index("", entries=[entry])
    pdf.adapt(app(env), root, "book/index")
    [index] = root.findall(addnodes.index)
    assert index["entries"] == [("single", "l-order; what it is", *entry[2:])]


@pytest.mark.parametrize(("n_rows", "fits"), [(40, True), (5, False)])
def test_columns_of_long_tables_share_the_line(book, n_rows, fits):
    root, env = book
    cells = ["c" * 80, "c" * 20, "9"]
    rows = [nodes.row("", *(nodes.entry("", nodes.Text(c)) for c in cells)) for _ in range(n_rows)]
    root[1] += nodes.table("", nodes.tgroup("", nodes.tbody("", *rows), cols=3))
    pdf.adapt(app(env), root, "book/index")
    specs = [node["spec"] for node in root.findall(addnodes.tabular_col_spec)]
    assert specs == ([r"\X{80}{106}\X{20}{106}\X{6}{106}"] if fits else [])


def test_other_formats_stay(book):
    root, env = book
    pdf.adapt(app(env, "html"), root, "book/index")
    assert len(list(root.findall(Explorer))) == 2


def test_tables_have_a_form_without_html(repository):
    shown = ledger.table("theory", repository / "book")._repr_markdown_()
    assert shown.startswith("- **Appendix B.1")
    claims = ledger.claims(repository / "book" / "claims.toml").values()
    assert shown.count("\n- ") + 1 == sum(claim.part == "theory" for claim in claims)
    assert "- (13): `model.penalty.penalty`. " in equations.table()._repr_markdown_()
