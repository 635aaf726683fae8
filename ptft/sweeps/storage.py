"""Files that survive a kill: written whole or not at all, in folders that know what they hold."""

import contextlib
import json
import os
import time
import uuid
from pathlib import Path

__all__ = ["claim", "identity", "is_whole", "read_json", "write"]

MANIFEST = "sweep.json"
"""The file that says what a folder's results are of."""
KINDS = {"sweep": "ptft sweep and ptft table", "vision": "ptft vision and ptft vision-table"}
"""What a folder may hold, and the commands for it."""
_STALE = 3600.0  # seconds after which nobody can still be writing a part


def write(path, content):
    """Write a file that is either whole or absent, also if the machine dies.

    Its mode follows the umask, as for any other file.

    Parameters
    ----------
    path : str or Path
    content : str or bytes-like
    """
    with _part(Path(path), content) as part:
        os.replace(part, path)
    _flush(Path(path).parent)


@contextlib.contextmanager
def _part(path, content):
    """Write content to a new hidden file beside a path, flushed; remove it if it is left over."""
    content = content.encode() if isinstance(content, str) else content
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with open(part, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield part
    finally:
        part.unlink(missing_ok=True)


def _flush(folder):
    """Make the names in a folder survive a power cut, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def is_whole(path):
    """Tell whether a result is there: a file that is not empty and, if of JSON, ends as it should.

    `write` leaves no others, but a disk that was full, or a copy that was cut off, may.
    """
    try:
        with open(path, "rb") as file:
            file.seek(-1, os.SEEK_END)
            last = file.read()
    except OSError:
        return False
    return last == b"}" if Path(path).suffix == ".json" else True


def read_json(path):
    """Return the content of a result file, or raise a ValueError that names it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"folder must hold whole results, got {path}: {error}") from error


def identity(folder, kind):
    """Return what a folder's results are of, or raise a ValueError that says what it holds.

    Parameters
    ----------
    folder : str or Path
    kind : str
        One of `KINDS`.
    """
    folder = Path(folder)
    if not (folder / MANIFEST).exists():
        raise ValueError(f"folder must hold results of ptft {kind}, got {folder}")
    found = read_json(folder / MANIFEST)
    if found.get("kind") != kind:
        other = KINDS.get(found.get("kind"), "an older version")
        raise ValueError(
            f"folder must hold results of ptft {kind}, got {folder}, which is for {other}"
        )
    return found


def claim(folder, kind, content):
    """Make a folder the place of certain results, or check that it is.

    Processes may claim one folder at the same time: the first decides what it is for.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    kind : str
        One of `KINDS`.
    content : dict
        What the results are of; plain values.

    Raises
    ------
    ValueError
        If it holds anything else. Nothing in it is changed then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _sweep_out(folder)
    manifest = folder / MANIFEST
    if not is_whole(manifest):
        _check_empty(folder)
        _publish(manifest, json.dumps({"kind": kind} | content, indent=1))
    found = identity(folder, kind)
    for name, value in json.loads(json.dumps(content)).items():
        if found.get(name) != value:
            raise ValueError(
                f"folder must hold results of this sweep, got {folder} with other {name}; "
                "give another folder"
            )


def _publish(manifest, content):
    """Write a manifest unless another process has."""
    if manifest.exists() and not is_whole(manifest):  # a full disk may leave one cut off
        manifest.unlink(missing_ok=True)
    with _part(manifest, content) as part:
        try:
            os.link(part, manifest)
        except FileExistsError:
            return
        except OSError:  # a file system without links
            os.replace(part, manifest)
    _flush(manifest.parent)


def _check_empty(folder):
    others = [p for p in folder.iterdir() if p.name != MANIFEST and p.suffix != ".part"]
    # Asked last: another process may just have begun, and written a manifest before its results.
    if others and not is_whole(folder / MANIFEST):
        raise ValueError(
            f"folder must be empty or hold a sweep, got {folder} with {others[0].name} and no "
            f"whole {MANIFEST}"
        )


def _sweep_out(folder):
    """Remove what writers that were killed have left."""
    for part in folder.glob(".*.part"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > _STALE:
                part.unlink()
