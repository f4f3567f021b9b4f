"""Copying, reserving and checking files."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from hpcsim.collector.format.storage import checksum, copy, reserve, storage, storage_error
from hpcsim.errors import ResultsError, StorageError

DATA = np.random.default_rng(1).bytes(3_000_001)


def test_a_copy_is_equal_and_never_overwrites(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(DATA)
    copy(source, target)
    assert target.read_bytes() == DATA
    assert checksum(target) == f"{crc32(DATA):08x}"
    with pytest.raises(FileExistsError):
        copy(source, target)


def test_reserving_makes_room_or_says_that_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(DATA)
    reserve(path, 10_000)
    assert path.stat().st_size > len(DATA) + 10_000
    assert path.read_bytes().startswith(DATA)
    with pytest.raises(OSError, match=r"No space|too large"):
        reserve(path, 2**60)


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    assert "quota is used up: free some space" in str(storage_error(OSError(122, "Quota"), "x", tmp_path))
    with pytest.raises(StorageError, match="move it away and collect again"), storage(tmp_path / "results.h5"):
        raise ResultsError("another format")
