"""What made a result: the facts that head a table."""

import contextlib
import datetime
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

__all__ = ["facts", "header"]


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
    from . import __version__

    commit = output("git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD")
    processor = output("grep", "-m1", "model name", "/proc/cpuinfo").partition(": ")[2]
    versions = [f"python {platform.python_version()}"]
    versions += [f"{name} {metadata.version(name)}" for name in packages]
    return {
        "commit": commit or "unknown",
        "versions": ", ".join([*versions, f"ptft {__version__}"]),
        "hardware": f"{os.cpu_count()} cores of {processor or platform.processor()}",
        "date": datetime.date.today().isoformat(),
    }


def header(named):
    """Return facts as lines that head a table; `storage.read_facts` reads them."""
    return "".join(f"# {name}: {fact}\n" for name, fact in named.items())


def output(*command):
    """Return what a program prints, or nothing if it fails."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return ""
