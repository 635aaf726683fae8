"""What made a result: tables that are headed by such facts, one a line."""

import contextlib
import datetime
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from ..errors import needs
from . import storage

__all__ = ["facts", "processor", "read_table", "write_table"]


def facts(*packages):
    """Return commit, versions, hardware and date of this run.

    Parameters
    ----------
    packages : str
        Installed packages whose versions are of interest, besides Python and ptft.

    Returns
    -------
    dict of str to str
    """
    from .. import __version__

    versions = [f"python {platform.python_version()}"]
    versions += [f"{name} {metadata.version(name)}" for name in packages]
    return {
        "commit": _commit() or "unknown",
        "versions": ", ".join([*versions, f"ptft {__version__}"]),
        "hardware": f"{os.cpu_count()} cores of {processor()}",
        "date": datetime.date.today().isoformat(),
    }


def _commit():
    """Return the commit of this code, or nothing where it is not under version control itself.

    An environment may lie in somebody else's repository, whose commit says nothing of this code.
    """
    git = ("git", "-C", str(Path(__file__).parent))
    if not output(*git, "ls-files", "--error-unmatch", Path(__file__).name):
        return ""
    package = str(Path(__file__).parents[1])
    changed = output(*git, "status", "--porcelain", "--untracked-files=no", "--", package)
    return output(*git, "rev-parse", "--short", "HEAD") + " and changes" * bool(changed)


def processor():
    """Return the processor's name."""
    named = output("grep", "-m1", "model name", "/proc/cpuinfo").partition(": ")[2]
    return named or platform.processor()


def write_table(table, path=None, named=None, float_format=None):
    """Write a table as CSV, below the facts that head it.

    Parameters
    ----------
    table : pandas.DataFrame
    path : Path, optional
        Standard output by default.
    named : dict of str to str, optional
        Facts by name.
    float_format : str, optional
        As for `pandas.DataFrame.to_csv`.
    """
    head = "".join(f"# {name}: {fact}\n" for name, fact in (named or {}).items())
    # to_csv would end lines as the system does, and the file would translate them once more.
    text = head + table.to_csv(index=False, float_format=float_format, lineterminator="\n")
    if path:
        storage.write(path, text)
    else:
        sys.stdout.write(text)


def read_table(path):
    """Read what `write_table` wrote.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    table : pandas.DataFrame
    facts : dict of str to str
    """
    with needs("experiments"):  # here, because the core of the package does without it
        import pandas as pd

    lines = Path(path).read_text(encoding="utf-8").splitlines()
    found = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))
    return pd.read_csv(path, comment="#"), found


def output(*command):
    """Return what a program prints, or nothing if it fails."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return ""
