"""Text in files: HDF5 strings of a fixed length, which are packed as numbers are.

Strings of any length would lie unpacked in a heap of the file: three times the bytes for ids, fifty for names of computers.
Files of earlier versions have an array of characters in place of each text; both are read, and only strings are written.
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

#: Of a character in a file of an earlier version: the last dimension is the length of the text.
CHARACTER = np.dtype("S1")


def string_type(width: int, *, filled: bool = False) -> h5py.Datatype:
    """The type in the file of texts of at most so many bytes.

    Parameters
    ----------
    width : int
    filled : bool
        Whether every text is ASCII and has just that length. Others end with a zero, which readers in C and MATLAB look for.
    """
    made = h5py.h5t.C_S1.copy()
    made.set_size(width if filled else width + 1)
    made.set_strpad(h5py.h5t.STR_NULLPAD if filled else h5py.h5t.STR_NULLTERM)
    made.set_cset(h5py.h5t.CSET_ASCII if filled else h5py.h5t.CSET_UTF8)
    return h5py.Datatype(made)


def is_text(dataset: h5py.Dataset) -> bool:
    """Whether a column holds text, in either form."""
    return bool(dataset.dtype.kind == "S")


def has_characters(dataset: h5py.Dataset) -> bool:
    """Whether the texts of a column are arrays of characters."""
    return bool(dataset.dtype == CHARACTER) and len(dataset.shape) > 1


def width_of(dataset: h5py.Dataset) -> int:
    """How many bytes a text of a column may have."""
    if has_characters(dataset):
        return int(dataset.shape[-1])
    ends = dataset.id.get_type().get_strpad() == h5py.h5t.STR_NULLTERM
    return int(dataset.dtype.itemsize) - int(ends)


def kind_of(dataset: h5py.Dataset) -> np.dtype:
    """Type of a column as its values are declared; of text bytes of its length, however it is stored."""
    return np.dtype(f"S{width_of(dataset)}") if is_text(dataset) else dataset.dtype


def shape_of(dataset: h5py.Dataset) -> tuple[int, ...]:
    """Shape of a column without the length of its texts."""
    shape: tuple[int, ...] = dataset.shape
    return shape[:-1] if has_characters(dataset) else shape


def joined(characters: np.ndarray) -> np.ndarray:
    """From characters along the last axis to texts as bytes.

    Examples
    --------
    >>> joined(np.array([[b"a", b"b"], [b"c", b""]], "S1"))
    array([b'ab', b'c'], dtype='|S2')
    """
    shape, width = characters.shape[:-1], characters.shape[-1]
    return np.ascontiguousarray(characters).view(f"S{width}").reshape(shape)


def decoded(texts: np.ndarray) -> np.ndarray:
    """From bytes to str."""
    # as wide as the longest text, not as the column: str takes four bytes a character
    longest = int(np.strings.str_len(texts).max(initial=1)) or 1
    return np.strings.decode(texts.astype(f"S{longest}"), "utf-8")


def put(dataset: h5py.Dataset, rows: Any, values: np.ndarray) -> None:
    """Write values of any type; h5py writes bytes as UTF-8 only where their type says so."""
    if is_text(dataset):
        texts = whole(values, width_of(dataset)) if values.dtype.kind == "S" else values
        values = texts.astype(dataset.dtype)
    dataset[rows] = values


def has_zeros(texts: np.ndarray) -> np.ndarray:
    r"""Which texts, as bytes, have a zero before their end: a reader would take it for their end.

    Examples
    --------
    >>> has_zeros(np.array([b"a\0b", b"ab"])).tolist()
    [True, False]
    """
    if not texts.dtype.itemsize:
        return np.zeros(texts.shape, bool)
    characters = np.ascontiguousarray(texts).view(np.uint8).reshape(*texts.shape, texts.dtype.itemsize)
    return np.asarray(np.count_nonzero(characters, axis=-1) != np.strings.str_len(texts))


def whole(texts: np.ndarray, width: int) -> np.ndarray:
    """Texts, as bytes, that nothing is cut from where they have zeros: another character stands in place of each.

    Parameters
    ----------
    texts : ndarray of bytes
    width : int
        Bytes that a text may have; a question mark stands in place of a zero where the replacement character does not fit.
    """
    found = has_zeros(texts)
    if not found.any():
        return texts
    made = texts.astype(f"S{width}")
    made[found] = [_whole(text, width) for text in texts[found].tolist()]
    return made


def _whole(text: bytes, width: int) -> bytes:
    replaced = text.replace(b"\0", "\N{REPLACEMENT CHARACTER}".encode())
    return replaced if len(replaced) <= width else text.replace(b"\0", b"?")
