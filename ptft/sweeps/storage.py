"""Files that survive a kill: written whole or not at all, in folders that know what they hold."""

import json
import os
import tempfile
from pathlib import Path

__all__ = ["claim", "read_json", "write"]

MANIFEST = "sweep.json"
"""The file that says what a folder's results are of."""


def write(path, content):
    """Write a file that is either whole or absent, also if the machine dies.

    Parameters
    ----------
    path : str or Path
    content : str or bytes-like
    """
    content = content.encode() if isinstance(content, str) else content
    descriptor, temporary = tempfile.mkstemp(dir=Path(path).parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def read_json(path):
    """Return the content of a result file, or raise a ValueError that names it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(f"folder must hold whole results, got {path}: {error}") from error


def claim(folder, identity):
    """Make a folder the place of certain results, or check that it is.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    identity : dict
        What the results are of; plain values.

    Raises
    ------
    ValueError
        If it holds anything else. Nothing in it is changed then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / MANIFEST
    if manifest.exists():
        found = read_json(manifest)
        for name, value in json.loads(json.dumps(identity)).items():
            if found.get(name) != value:
                raise ValueError(
                    f"folder must hold results of this sweep, got {folder} with other {name}; "
                    "give another folder"
                )
    elif any(folder.iterdir()):
        raise ValueError(f"folder must be empty or hold a sweep, got {folder}")
    else:
        write(manifest, json.dumps(identity, indent=1))
