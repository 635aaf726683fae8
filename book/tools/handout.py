"""Notebooks to hand out: a page's code cells with their outputs, and plain Markdown between them.

They have all cells of the chapter in their order, so they run; and they read like the page: what it
folds is folded, figures are stored, and nothing is left that only the book's software understands.
"""

import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from itertools import groupby
from pathlib import Path

import nbformat
from figures import CARRIED
from nbformat import NotebookNode
from plain import Code, Prose

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
# Tags that hide a cell's input on the page, and those that hide its outputs.
HIDDEN_INPUT = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
HIDDEN_OUTPUT = {"hide-output", "hide-cell", "remove-output", "remove-cell"}
LEFTOVERS = {
    "role": re.compile(r"\{[a-z][\w:+-]*\}`"),
    "directive": re.compile(r"^[ >]*(?::{3,}|`{3,}|~{3,}) *\{", re.M),
    "target": re.compile(r"^[ >]*\([\w-]+\)=", re.M),
}


def assemble(
    executed: NotebookNode,
    pieces: Iterable[Prose | Code],
    introduction: Iterable[NotebookNode] = (),
) -> NotebookNode:
    """Put a page's prose between its code cells.

    Parameters
    ----------
    executed : NotebookNode
        The chapter, with its outputs. Its code cells are all kept, in their order; of its Markdown
        nothing is.
    pieces : iterable of Prose or Code
        The page, from its title on.
    introduction : iterable of NotebookNode
        Cells to stand below the title.

    Returns
    -------
    NotebookNode
    """
    pending = [i for i, cell in enumerate(executed.cells) if cell.cell_type == "code"]
    title, *rest = pieces
    cells = [nbformat.v4.new_markdown_cell(title.text), *introduction]
    for piece in _joined(rest):
        if isinstance(piece, Prose):
            cells.append(nbformat.v4.new_markdown_cell(piece.text))
        while isinstance(piece, Code) and pending and pending[0] <= piece.index:
            index = pending.pop(0)  # before the piece's own: cells that the page leaves out
            cells.append(_code(executed.cells[index], piece.folded and index == piece.index))
    cells += [_code(executed.cells[index]) for index in pending]
    for place, cell in enumerate(cells):
        cell.id = f"cell-{place}"
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def _joined(pieces: Iterable[Prose | Code]) -> Iterator[Prose | Code]:
    """Join adjacent prose, and fold that of solutions."""
    solution = False  # whether the last piece was part of one
    for (kind, folded), group in groupby(pieces, key=lambda piece: (type(piece), piece.folded)):
        if kind is Code:
            yield from group
        elif text := "\n\n".join(piece.text for piece in group if piece.text):
            yield Prose(_details(text, continued=solution) if folded else text)
        solution = folded


def _details(text: str, continued: bool) -> str:
    summary = "Solution, continued" if continued else "Solution"
    return f"<details>\n<summary><b>{summary}</b></summary>\n\n{text}\n\n</details>"


def _code(cell: NotebookNode, solution: bool = False) -> NotebookNode:
    """Return a code cell, folded where the page folds it."""
    cell = deepcopy(cell)
    for output in cell.outputs:
        if svg := output.get("data", {}).get(
            "image/svg+xml"
        ):  # pages show the other, notebooks not
            output["data"]["image/svg+xml"] = CARRIED.sub("", svg)
    tags = set(cell.metadata.get("tags", ()))
    hidden = {"source_hidden": solution or tags & HIDDEN_INPUT}
    hidden |= {"outputs_hidden": solution or tags & HIDDEN_OUTPUT}
    if folded := {name: True for name, holds in hidden.items() if holds}:
        cell.metadata["jupyter"] = folded
    if "source_hidden" in folded:
        cell.metadata["cellView"] = "form"  # what Colab calls it
    return cell


def problems(notebook: NotebookNode, macros: Mapping[str, str]) -> Iterator[str]:
    """Say what is wrong with a notebook that is to be handed out."""
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        yield f"is not valid: {error}"
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for found in _leftovers(cell.source, macros):
                yield f"has a {found}"


def _leftovers(text: str, macros: Mapping[str, str]) -> Iterator[str]:
    for kind, pattern in LEFTOVERS.items():
        yield from (f"{kind}: {match[0]}" for match in pattern.finditer(text))
    for macro in macros:
        yield from (f"macro: {m[0]}" for m in re.finditer(rf"\\{macro}(?![A-Za-z])", text))


def write_archive(path: Path, notebooks: Mapping[str, Path], text: str) -> None:
    """Write an archive of notebooks, in a folder of its name and with a text that says what it is.

    Parameters
    ----------
    path : Path
        Of the archive, a zip file.
    notebooks : mapping of str to Path
        By the names that they are to have in it.
    text : str
        Goes into README.md.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{path.stem}/README.md", text)
        for name, notebook in notebooks.items():
            archive.write(notebook, f"{path.stem}/{name}")
