"""The one atomic write."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hpcsim.files import publish, replacing, write_bytes, write_text


def test_a_file_appears_whole_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "a.txt"
    assert write_text(path, "µm\n") == path
    assert path.read_bytes() == "µm\n".encode()
    assert write_bytes(path, b"new").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.txt"]


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
