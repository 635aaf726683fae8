"""Sphinx extension: what the PDF needs to read like the pages.

Chapters have the numbers that they have there, and pages without a number have none; equations that
are the paper's carry its number, too; a link to an exercise finds it; proofs have no box; a figure
that readers can move is mentioned, not shown.
"""

import numbering
from docutils import nodes
from explorer import Explorer
from sphinx import addnodes
from sphinx_exercise.nodes import is_exercise_node
from sphinx_proof.nodes import proof_node

LONG = 30  # rows, from which on Sphinx lets a table run over pages
LINE = 90  # characters, about what a page is wide
SENTENCE = "Here the book's pages have a figure that can be moved."


def chapter(numbered):
    """Return LaTeX to stand before a page's title: its number, or that it has none."""
    if numbered is None:
        return r"\setcounter{secnumdepth}{-1}"
    return rf"\setcounter{{secnumdepth}}{{2}}\setcounter{{chapter}}{{{numbered - 1}}}"


def count_by_chapter(app):
    """Give theorems and exercises the pages' numbers: 3.1, where parts would make it 3.1.1."""
    if app.builder.format == "latex":
        app.config.numfig_secnum_depth = 1


def adapt(app, doctree, docname):
    """Change the whole book's tree before it is written."""
    if app.builder.format != "latex":
        return
    # Counted all is; LaTeX's own counters, of figures and equations, have parts above chapters.
    app.config.numfig_secnum_depth = 2
    for start in doctree.findall(addnodes.start_of_file):
        if start["docname"] in app.env.titles:
            number = app.env.toc_secnumbers.get(start["docname"], {}).get("")
            keep_name(start, app.env.titles[start["docname"]].astext())
            start.insert(0, latex(chapter(number and number[0])))
        add_targets(start)
    add_paper_numbers(doctree)
    fit_long_tables(doctree)
    unbox_proofs(doctree)
    spell_for_index(doctree)
    for figure in list(doctree.findall(Explorer)):
        text = nodes.emphasis("", SENTENCE)
        figure.replace_self(nodes.paragraph("", "", text))


def latex(text):
    """Return a node that writes LaTeX."""
    return nodes.raw("", text + "\n", format="latex")


def keep_name(page, title):
    """Name a chapter by its title, which one with a section of the same title has lost.

    sphinx-proof finds the chapter of a theorem, and so its number and label, by that name.
    """
    chapter = next(page.findall(nodes.section))
    if title.lower() not in chapter["names"]:
        chapter["names"].append(title.lower())


def before(node, other):
    """Put a node before another."""
    node.parent.insert(node.parent.index(node), other)


def add_targets(page):
    """Give exercises the labels that links from elsewhere ask for."""
    for exercise in list(page.findall(is_exercise_node)):
        label = rf"\detokenize{{{page['docname']}:{exercise['label']}}}"
        before(exercise, latex(rf"\phantomsection\label{{{label}}}"))


def add_paper_numbers(doctree):
    """Let equations that are the paper's say its number below their own."""
    paper = numbering.table()
    for equation in list(doctree.findall(nodes.math_block)):
        if (label := equation.get("label")) in paper:
            before(equation, latex(rf"\papernumber{{{numbering.words(paper[label])}}}"))


def fit_long_tables(doctree):
    """Let the columns of tables that run over pages share the line, by their longest cells.

    LaTeX breaks no lines in such a table, and what is too wide is cut off.
    """
    for table in list(doctree.findall(nodes.table)):
        rows = [[cell.astext() for cell in row] for row in table.findall(nodes.row)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=False)]
        if len(rows) > LONG and sum(widths) > LINE:
            shares = "".join(
                rf"\X{{{max(w, 6)}}}{{{sum(max(w, 6) for w in widths)}}}" for w in widths
            )
            before(table, addnodes.tabular_col_spec(spec=shares))


def unbox_proofs(doctree):
    """Set proofs as text between "Proof." and a square: their boxes would have an empty title."""
    for proof in list(doctree.findall(proof_node)):
        [box] = proof.children
        first = box[0][0]
        rest = first.astext().removeprefix("Proof. ")
        box[0].replace(first, [nodes.emphasis("", "Proof."), nodes.Text(f" {rest}")])
        proof.replace_self([*box.children, latex(r"\hfill$\square$\par\medskip")])


def spell_for_index(doctree):
    """File terms that begin with a letter that LaTeX's index cannot sort under one that it can."""
    for index in doctree.findall(addnodes.index):
        index["entries"] = [
            (kind, name.replace("ℓ", "l"), *rest) for kind, name, *rest in index["entries"]
        ]


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("builder-inited", count_by_chapter, priority=900)
    app.connect("doctree-resolved", adapt, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
