"""Run the book's notebooks with nothing beside them: `python alone.py ARCHIVE`, in an empty folder.

The archive is the one that the book offers. Running it needs no more than `pip install ".[book]"`.
"""

import asyncio
import sys
import time
import zipfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

TIMEOUT = 600  # seconds for a cell; the book's own limit is stricter


def run(path: Path) -> tuple[float, str]:
    """Run one notebook in its own folder; return the seconds it took, and what went wrong."""
    resources = {"metadata": {"path": str(path.parent)}}
    quiet = ["--log-level=ERROR"]  # the kernel warns about its own sockets
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=TIMEOUT, resources=resources, extra_arguments=quiet)
    start = time.perf_counter()
    try:
        asyncio.run(client.async_execute())  # the synchronous form leaves an event loop open
    except (CellExecutionError, CellTimeoutError) as error:
        return time.perf_counter() - start, str(error)
    return time.perf_counter() - start, ""


def main(archive: Path, folder: Path) -> int:
    """Unpack and run all notebooks; the exit status is 1 if any fails."""
    zipfile.ZipFile(archive).extractall(folder)
    paths = sorted(folder.rglob("*.ipynb"))
    failed = 0
    for path in paths:
        seconds, problem = run(path)
        print(f"{path.stem}: {seconds:.0f} s {problem}".rstrip(), flush=True)
        failed += bool(problem)
    print(f"{len(paths) - failed} of {len(paths)} notebooks run")
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path.cwd()))
