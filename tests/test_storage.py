"""Files that are whole or absent, and folders that many processes may claim, or be killed over."""

import json
import os
import stat
import subprocess
import sys
import threading
import time

import pytest

from ptft.sweeps import storage

CONTENT = {"code": "abc", "settings": [1, 2]}
# Ends the process, as a kill does, at the n-th call of one of the system's functions.
_KILLED = """
import os, sys
from pathlib import Path
from ptft.sweeps import storage
name, n, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
real, calls = getattr(os, name), []
def dying(*arguments, **options):
    calls.append(arguments)
    if len(calls) == n:
        os._exit(9)
    return real(*arguments, **options)
setattr(os, name, dying)
storage.claim(folder, "sweep", {"code": "abc", "settings": [1, 2]})
storage.write(folder / "d1-n1-s0.json", '{"rows": []}')
"""


def claim(folder, content=CONTENT):
    storage.claim(folder, "sweep", content)


# --- Writing -------------------------------------------------------------------------------------


def test_a_file_follows_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        storage.write(tmp_path / "result.json", "{}")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "result.json").stat().st_mode) == 0o640


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    storage.write(path, "{}")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        storage.write(path, '{"a": 1}')
    assert path.read_text() == "{}"
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize(
    ("name", "content", "whole"),
    [
        ("a.json", b"", False),
        ("a.json", b'{"rows": [1, 2', False),
        ("a.json", b'{"rows": [1, 2]}', True),
        ("a.pt", b"", False),
        ("a.pt", b"PK", True),
    ],
)
def test_what_is_whole(tmp_path, name, content, whole):
    (tmp_path / name).write_bytes(content)
    assert storage.is_whole(tmp_path / name) == whole
    assert not storage.is_whole(tmp_path / "absent.json")


# --- Claiming ------------------------------------------------------------------------------------


def test_a_folder_is_claimed_once(tmp_path):
    claim(tmp_path / "new" / "folder")
    claim(tmp_path / "new" / "folder")
    assert storage.identity(tmp_path / "new" / "folder", "sweep") == {"kind": "sweep"} | CONTENT
    with pytest.raises(ValueError, match="with other code; give another folder"):
        claim(tmp_path / "new" / "folder", CONTENT | {"code": "abd"})


def test_a_folder_of_another_kind_says_whose_it_is(tmp_path):
    claim(tmp_path)
    for ask in (storage.identity, lambda folder, kind: storage.claim(folder, kind, {})):
        with pytest.raises(
            ValueError, match=r"results of ptft vision, .* for ptft sweep and ptft t"
        ):
            ask(tmp_path, "vision")
    (tmp_path / storage.MANIFEST).write_text('{"code": "abc"}')
    with pytest.raises(ValueError, match="which is for an older version"):
        storage.identity(tmp_path, "sweep")
    with pytest.raises(ValueError, match="must hold results of ptft sweep, got"):
        storage.identity(tmp_path / "absent", "sweep")


@pytest.mark.parametrize("left", ["", '{"kind": "swe'])
def test_a_manifest_cut_off_is_written_again_where_nothing_depends_on_it(tmp_path, left):
    (tmp_path / storage.MANIFEST).write_text(left)
    claim(tmp_path)
    assert storage.identity(tmp_path, "sweep")["code"] == "abc"


def test_a_manifest_cut_off_beside_results_is_named(tmp_path):
    (tmp_path / storage.MANIFEST).write_text("")
    (tmp_path / "d1-n1-s0.json").write_text("{}")
    with pytest.raises(ValueError, match=r"with d1-n1-s0\.json and no whole sweep\.json"):
        claim(tmp_path)
    assert (tmp_path / storage.MANIFEST).read_text() == ""


def test_what_a_killed_writer_left_is_removed_in_time(tmp_path):
    old, new = tmp_path / ".a.json.1.part", tmp_path / ".a.json.2.part"
    for path in (old, new):
        path.write_text("{")
    os.utime(old, (time.time() - 7200,) * 2)
    claim(tmp_path)
    assert not old.exists()
    assert new.exists()


def test_a_file_system_without_links(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", unsupported)
    claim(tmp_path)
    claim(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [storage.MANIFEST]


def test_the_first_of_two_that_claim_decides(tmp_path, monkeypatch):
    """The other wrote its manifest between this one's look and its own writing."""
    real = storage._check_empty

    def overtaken(folder):
        real(folder)
        storage.write(folder / storage.MANIFEST, json.dumps({"kind": "sweep", "code": "other"}))

    monkeypatch.setattr(storage, "_check_empty", overtaken)
    with pytest.raises(ValueError, match="with other code"):
        claim(tmp_path)
    assert storage.identity(tmp_path, "sweep")["code"] == "other"


def test_many_threads_claim_one_new_folder(tmp_path):
    """More often in `python tests/starts.py`, with processes."""
    for i in range(50):
        barrier, failures = threading.Barrier(4), []

        def start(folder, barrier=barrier, failures=failures):
            barrier.wait()
            try:
                claim(folder)
                storage.write(folder / f"d1-n1-s{threading.get_ident()}.json", "{}")
            except ValueError as error:
                failures.append(error)

        threads = [threading.Thread(target=start, args=(tmp_path / str(i),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert storage.identity(tmp_path / str(i), "sweep")["code"] == "abc"


@pytest.mark.parametrize("call", ["fsync", "link", "replace", "open", "unlink"])
def test_killed_at_any_moment_the_next_start_works(tmp_path, call):
    """Each call that the two writes make, of manifest and result, is the last one in its turn."""
    for n in range(1, 8):
        folder = tmp_path / str(n)
        arguments = [sys.executable, "-c", _KILLED, call, str(n), str(folder)]
        status = subprocess.run(arguments, check=False).returncode
        assert status in (0, 9)
        claim(folder)
        assert storage.identity(folder, "sweep") == {"kind": "sweep"} | CONTENT
        result = folder / "d1-n1-s0.json"
        assert not result.exists() or json.loads(result.read_text()) == {"rows": []}
        if status == 0:
            break
    else:
        raise AssertionError(f"more than 7 calls of {call}")
