"""The id of a point, and its seed: hashes of what the point is, the same on every machine.

The canonical form of a point, format 1, is a header and a body. The header is ``hpcsim-point-1``, the model's name,
the number of parameters and their names in sorted order, each text as UTF-8 behind its length (4 bytes, big-endian).
The body is one value after the other in the same order, and the replicate in 8 bytes. A value is a tag and a content:

=====  =======================================================================================
tag    content
=====  =======================================================================================
``n``  a number, also a whole one or a switch: float64, big-endian, never ``-0.0``
``i``  a whole number that float64 does not hold: its decimal text behind its length
``s``  a text behind its length
``t``  a list: the count of its elements in 4 bytes, then the elements
=====  =======================================================================================

The id is BLAKE2b of that form, 16 bytes. Units need no place in it: values stand in the units that the model declares.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from math import isfinite
from typing import Any

import numpy as np

from hpcsim.errors import SpaceError
from hpcsim.space.parameter import Value

_FORMAT = b"hpcsim-point-1"
_SEED_FORMAT = b"hpcsim-seed-1"
_EXACT = 2**53


def point_id(model: str, values: Mapping[str, Value], replicate: int = 0) -> str:
    """The id of one point.

    Parameters
    ----------
    model : str
        Name of the model.
    values : mapping of str to value
        Every parameter, in the unit that the model declares, in any order.
    replicate : int
        Counts from 0.

    Returns
    -------
    str
        32 hexadecimal digits.

    Raises
    ------
    SpaceError
        If a value is not finite, or of a type that no parameter has.

    Examples
    --------
    >>> point_id("toy.square", {"x": 2.0}) == point_id("toy.square", {"x": 2})
    True
    """
    names = sorted(values)
    body = b"".join(_encode(values[name]) for name in names) + struct.pack(">q", replicate)
    return blake2b(_header(model, names) + body, digest_size=16).hexdigest()


def point_ids(model: str, columns: Mapping[str, np.ndarray], replicates: np.ndarray) -> np.ndarray:
    """The ids of many points: :func:`point_id` of each row, faster.

    Parameters
    ----------
    model : str
    columns : mapping of str to ndarray
        One array of length n a parameter.
    replicates : ndarray of int, shape (n,)

    Returns
    -------
    ndarray of S32, shape (n,)
        Hexadecimal digits.

    Raises
    ------
    SpaceError
        As :func:`point_id`.
    """
    names = sorted(columns)
    # the header is hashed once; every point goes on from a copy of that state
    state = blake2b(_header(model, names), digest_size=16)
    digests = _digests(state, _bodies([columns[name] for name in names], replicates))
    return np.frombuffer(b"".join(digests).hex().encode(), "S32")


def point_seed(study_seed: int, id: str) -> int:
    """The random seed of a point.

    Parameters
    ----------
    study_seed : int
    id : str
        32 hexadecimal digits.

    Returns
    -------
    int
        64 bits.
    """
    return int(point_seeds(study_seed, np.array([id.encode()], "S32"))[0])


def point_seeds(study_seed: int, ids: np.ndarray) -> np.ndarray:
    """The random seeds of many points.

    Parameters
    ----------
    study_seed : int
    ids : ndarray of S32, shape (n,)

    Returns
    -------
    ndarray of uint64, shape (n,)
    """
    state = blake2b(_SEED_FORMAT + _text(str(int(study_seed))), digest_size=8)
    return np.frombuffer(b"".join(_digests(state, ids.tolist())), ">u8").astype(np.uint64)


def _digests(state: Any, bodies: Iterable[bytes]) -> list[bytes]:
    copy: Callable[[], Any] = state.copy

    def digest(body: bytes) -> bytes:
        hash = copy()
        hash.update(body)
        return bytes(hash.digest())

    return [digest(body) for body in bodies]


def _header(model: str, names: Sequence[str]) -> bytes:
    return b"".join([_FORMAT, _text(model), struct.pack(">I", len(names)), *map(_text, names)])


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack(">I", len(encoded)) + encoded


def _encode(value: Any) -> bytes:
    """The canonical form of one value."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return b"t" + struct.pack(">I", len(value)) + b"".join(_encode(item) for item in value)
    if isinstance(value, str):
        return b"s" + _text(str(value))
    if isinstance(value, (bool, np.bool_)):
        return _encode_float(float(value))
    if isinstance(value, (int, np.integer)):
        whole = int(value)
        fits = abs(whole) <= _EXACT or (whole.bit_length() <= 1023 and int(float(whole)) == whole)
        return _encode_float(float(whole)) if fits else b"i" + _text(str(whole))
    if isinstance(value, (float, np.floating)):
        # the shortest decimal of the width that it came in: np.float32(0.1) is 0.1
        return _encode_float(float(value) if isinstance(value, float) else float(str(value)))
    raise SpaceError(f"found a value of type {type(value).__name__}, expected a number, a word, a switch or a list")


def _encode_float(number: float) -> bytes:
    if not isfinite(number):
        raise SpaceError(f"found {number}, expected a finite number: a point that is not a number has no id")
    return b"n" + struct.pack(">d", number + 0.0)


def _bodies(columns: Sequence[np.ndarray], replicates: np.ndarray) -> list[bytes]:
    """The canonical body of every row."""
    n = len(replicates)
    pieces = [_encode_column(np.asarray(column)) for column in columns]
    pieces.append(np.ascontiguousarray(replicates, ">i8").view(np.uint8).reshape(n, 8))
    tables = [piece if isinstance(piece, np.ndarray) else _aligned(piece) for piece in pieces]
    if all(table is not None for table in tables):
        return _rows(np.concatenate([table for table in tables if table is not None], axis=1))
    rows = [_rows(piece) if isinstance(piece, np.ndarray) else piece for piece in pieces]
    return [b"".join(row) for row in zip(*rows, strict=True)]


def _encode_column(column: np.ndarray) -> np.ndarray | list[bytes]:
    """The canonical form of each value: bytes of shape (n, 9) for numbers, else a list."""
    numbers = _as_float64(column)
    if numbers is None:
        values = [tuple(value) if isinstance(value, list) else value for value in column.tolist()]
        if len(values) and all(isinstance(value, (str, tuple)) for value in values):
            # words and lists repeat in a column
            known = {value: _encode(value) for value in set(values)}
            return [known[value] for value in values]
        return [_encode(value) for value in values]
    if not np.isfinite(numbers).all():
        raise SpaceError(f"found {numbers[~np.isfinite(numbers)][0]}, expected finite numbers: such a point has no id")
    encoded = np.empty((len(numbers), 9), np.uint8)
    encoded[:, 0] = ord("n")
    encoded[:, 1:] = (numbers + 0.0).astype(">f8").view(np.uint8).reshape(-1, 8)
    return encoded


def _as_float64(column: np.ndarray) -> np.ndarray | None:
    """The numbers of a column as they are hashed, or None where they need a look one by one."""
    if column.ndim != 1:
        return None
    if column.dtype.kind == "f":
        return column if column.dtype == np.float64 else column.astype(str).astype(np.float64)
    if column.dtype.kind == "b" or (column.dtype.kind in "iu" and (not len(column) or _fits(column))):
        return column.astype(np.float64)
    return None


def _fits(column: np.ndarray) -> bool:
    return int(column.max()) <= _EXACT and int(column.min()) >= -_EXACT


def _aligned(texts: list[bytes]) -> np.ndarray | None:
    """Texts of one length as bytes of shape (n, length); None when they differ in length."""
    if len({len(text) for text in texts}) > 1:
        return None
    return np.frombuffer(b"".join(texts), np.uint8).reshape(len(texts), -1) if texts else np.empty((0, 0), np.uint8)


def _rows(table: np.ndarray) -> list[bytes]:
    joined, width = table.tobytes(), table.shape[1]
    return [joined[start : start + width] for start in range(0, len(joined), width)] if width else [b""] * len(table)
