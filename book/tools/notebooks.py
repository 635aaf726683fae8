"""Keep each chapter's reference notebook in step with its source.

A chapter is `book/x.md`, a MyST notebook, and that text always wins. Beside it lies `book/x.ipynb`,
the same cells with the outputs of one run: what the tests compare a new run with, and what readers
open in Jupyter or Colab. Images are left out of it, so that it stays small and can be reviewed.

    python book/tools/notebooks.py refresh [CHAPTER ...]    run chapters, write their references
    python book/tools/notebooks.py check   [CHAPTER ...]    list references that are not current
"""

import argparse
import asyncio
import hashlib
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

BOOK = Path(__file__).resolve().parents[1]
TIMEOUT = 600  # seconds for a cell, as in _config.yml: a busy machine is no failure
IMAGES = ("image/png", "image/jpeg", "image/svg+xml")
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def chapters(names: Iterable[str] = (), folder: Path = BOOK) -> list[Path]:
    """Return the sources of the chapters that have code: those named, or all of them."""
    if not names:
        return sorted(path for path in folder.glob("*.md") if _is_notebook(path))
    paths = [folder / f"{Path(name).stem}.md" for name in names]
    for path in paths:
        if not (path.is_file() and _is_notebook(path)):
            raise ValueError(f"{path} is not a chapter with code")
    return paths


def _is_notebook(path: Path) -> bool:
    text = path.read_text(encoding="utf-8")
    return text.startswith("---\n") and "\njupytext:" in text.split("\n---\n")[0]


def read_source(path: Path) -> NotebookNode:
    """Read a chapter as a notebook that has not run, the same on every machine."""
    notebook = jupytext.read(path)
    notebook.nbformat_minor = 5  # the first version with cell identifiers
    notebook.metadata.pop("jupytext", None)
    notebook.metadata.update(kernelspec=KERNEL, language_info={"name": "python"})
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:8]
        cell.id = f"{digest}-{seen[digest]}"  # follows the text, so inserting a cell moves no other
        seen[digest] += 1
    return notebook


def execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Run a notebook in its own kernel and keep what does not depend on the run."""
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--log-level=ERROR"],  # the kernel warns about its own sockets
        record_timing=False,
        coalesce_streams=True,
    )
    asyncio.run(client.async_execute())  # the synchronous form leaves an event loop open
    notebook.metadata.language_info = {"name": "python"}
    for cell in code_cells(notebook):
        cell.outputs = [without_images(output) for output in cell.outputs]
    return notebook


def without_images(output: NotebookNode) -> NotebookNode:
    """Drop pictures, and the metadata that lays them out, from one output of a cell."""
    for field in {"data", "metadata"} & set(output):
        output[field] = {kind: item for kind, item in output[field].items() if kind not in IMAGES}
    return output


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the cells that run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def refresh(source: Path) -> None:
    """Run one chapter and write its reference."""
    nbformat.write(execute(read_source(source), source.parent), source.with_suffix(".ipynb"))


def problems(source: Path) -> Iterator[str]:
    """Say what is wrong with one chapter's reference."""
    reference_path = source.with_suffix(".ipynb")
    if not reference_path.is_file():
        yield "has no reference"
        return
    reference = nbformat.read(reference_path, as_version=4)
    if _unrun(reference) != _unrun(read_source(source)):
        yield "has a reference that differs from its source"
    for cell in code_cells(reference):
        first_line = cell.source.partition("\n")[0]
        if cell.execution_count is None and "skip-execution" not in cell.metadata.get("tags", []):
            yield f"has a reference with a cell that never ran: {first_line}"
        if _shows_figure(cell) and not _alt_text(cell):
            yield f"has a figure without alt text: {first_line}"


def _unrun(notebook: NotebookNode) -> NotebookNode:
    notebook = deepcopy(notebook)
    for cell in code_cells(notebook):
        cell.update(outputs=[], execution_count=None)
    return notebook


def _shows_figure(cell: NotebookNode) -> bool:
    # The picture itself is left out of a reference; matplotlib's text in its place is not.
    texts = (output.get("data", {}).get("text/plain", "") for output in cell.outputs)
    return any(text.startswith("<Figure size") for text in texts)


def _alt_text(cell: NotebookNode) -> str:
    return cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")


def orphans(folder: Path = BOOK) -> list[Path]:
    """Return the references whose chapter is gone."""
    sources = set(chapters(folder=folder))
    return [
        path for path in sorted(folder.glob("*.ipynb")) if path.with_suffix(".md") not in sources
    ]


def check_all(names: Iterable[str] = (), folder: Path = BOOK) -> list[str]:
    """Return every complaint about the named chapters' references, or all chapters'."""
    complaints = [
        f"{source.name} {problem}"
        for source in chapters(names, folder)
        for problem in problems(source)
    ]
    return complaints + [f"{path.name} has no chapter" for path in orphans(folder)]


def refresh_all(names: Iterable[str] = (), folder: Path = BOOK) -> list[str]:
    """Run the named chapters, or all; return what went wrong, one message a chapter."""

    def attempt(source: Path) -> str | None:
        try:
            refresh(source)
        except CellExecutionError as error:
            return f"{source.name} failed:\n{error}"
        print(f"{source.stem}: done")
        return None

    with ThreadPoolExecutor(max_workers=2) as pool:
        return [message for message in pool.map(attempt, chapters(names, folder)) if message]


def main(arguments: list[str] | None = None) -> int:
    """Run one of the two commands; the exit status is 1 if anything is amiss."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=["refresh", "check"])
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER", help="for example l_order")
    options = parser.parse_args(arguments)
    command = {"refresh": refresh_all, "check": check_all}[options.command]
    complaints = command(options.chapters)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    if complaints and options.command == "check":
        print("`make refresh` writes the references anew", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
