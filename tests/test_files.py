"""The one atomic write."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from hpcsim.files import publish, read_arrays, replacing, write_bytes, write_text


def test_a_file_appears_whole_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "a.txt"
    assert write_text(path, "µm\n") == path
    assert path.read_bytes() == "µm\n".encode()
    assert write_bytes(path, b"new").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_arrays_of_npy_and_npz(tmp_path):
    np.savez(tmp_path / "a.npz", b=np.arange(3), c=np.ones(2))
    np.save(tmp_path / "a.npy", np.arange(4))
    assert {name: values.tolist() for name, values in read_arrays(tmp_path / "a.npz").items()} == {"b": [0, 1, 2], "c": [1, 1]}
    assert read_arrays((tmp_path / "a.npy").read_bytes())[""].tolist() == [0, 1, 2, 3]


class _Trap:
    def __reduce__(self):
        return os.mkdir, ("sprung",)


@pytest.mark.parametrize("claimed", ["(1000000000000,)", "(4, 4)", "(-1,)", "None", "(((((("])
def test_arrays_that_are_none(tmp_path, claimed):
    """A pickle, an archive cut short, a shape that no memory holds."""
    np.savez(tmp_path / "a.npz", a=np.arange(3))
    np.save(tmp_path / "a.npy", np.array([_Trap()], object), allow_pickle=True)
    np.save(tmp_path / "b.npy", np.arange(3))
    crafted = (tmp_path / "b.npy").read_bytes().replace(b"(3,), }" + b" " * 13, f"{claimed}, }}".ljust(20).encode())
    for source in (tmp_path / "a.npy", (tmp_path / "a.npz").read_bytes()[:-5], b"", b"PK\3\4", crafted):
        with pytest.raises(OSError, match=r"no arrays that can be read|allow_pickle"):
            read_arrays(source)
    assert not os.path.exists("sprung")
    with pytest.raises(OSError, match="it is a folder"):
        read_arrays(tmp_path)


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_process_killed_while_it_writes_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    code = (
        "import os, pathlib, sys; from hpcsim.files import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half of the n'); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -9
    assert path.read_text() == "old"


def test_others_may_read_what_the_umask_allows(tmp_path):
    before = os.umask(0o027)
    try:
        mode = write_text(tmp_path / "a.txt", "x").stat().st_mode & 0o777
    finally:
        os.umask(before)
    assert mode == 0o640


def test_a_folder_is_published_with_all_that_is_in_it(tmp_path, monkeypatch):
    made = tmp_path / "made"
    (made / "deep").mkdir(parents=True)
    (made / "deep" / "inside").write_text("x")
    on_disk, sync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (on_disk.append(os.fstat(number).st_ino), sync(number)))
    publish(made, tmp_path / "there")
    assert (tmp_path / "there" / "deep" / "inside").read_text() == "x"
    parts = [tmp_path / "there" / "deep", tmp_path / "there" / "deep" / "inside", tmp_path / "there", tmp_path]
    assert on_disk == [part.stat().st_ino for part in parts]
