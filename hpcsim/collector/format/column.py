"""One dataset of a table, and how values of several points become the array that is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcsim.collector.format.text import has_zeros
from hpcsim.errors import ResultsError, shown

POINT = "point"
#: Bytes of ragged values that are written together, at least.
_PIECE_BYTES = 2**20


@dataclass(frozen=True)
class Column:
    """One dataset of a table.

    Parameters
    ----------
    name : str
    role : str
        ``record``, ``parameter``, ``output``, or ``count`` (the lengths along a ragged dimension).
    dtype : str
        A numpy type name; of text ``S`` with the most bytes that it may have.
    dims, shape : tuple
        Names and sizes of the dimensions after the leading one.
    unit, description : str
    leading : str
        ``point``, or the ragged dimension that the values of all points follow one another in.
    cut, filled : bool
        Whether text that is too long is cut, or refused; whether every text has just the length of the column.
    switch : bool
        Whether the numbers are truth values.
    drawn_as : str
        Of an output that says it.
    """

    name: str
    role: str
    dtype: str
    dims: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    unit: str = ""
    description: str = ""
    leading: str = POINT
    cut: bool = False
    filled: bool = False
    switch: bool = False
    drawn_as: str = ""

    @property
    def text(self) -> bool:
        """Whether the values are text."""
        return np.dtype(self.dtype).kind == "S"

    @property
    def width(self) -> int:
        """Bytes of one value, of text without the zero that may end it."""
        return np.dtype(self.dtype).itemsize

    @property
    def row_bytes(self) -> int:
        """Bytes that one point takes before compression; 0 where ragged."""
        return int(self.width * np.prod(self.shape)) if self.leading == POINT else 0

    def encode(self, values: Any) -> np.ndarray:
        """Values of several points as the array that is written, of shape ``(n, *shape)``.

        Raises
        ------
        ResultsError
            If they have another shape or type, or text is too long.
        """
        if self.text:
            return self._encode_text(values)
        try:
            if isinstance(values, np.ndarray) and values.dtype == object:
                values = values.tolist()
            array = np.asarray(values, self.dtype)
        except (TypeError, ValueError, OverflowError) as error:
            raise ResultsError(f"{self.role} {self.name}: values are not {self.dtype}: {error}") from error
        if array.shape[1:] != self.shape:
            raise ResultsError(
                f"{self.role} {self.name}: a point has shape {array.shape[1:]}, declared is {self.shape} "
                f"({', '.join(self.dims) or 'a scalar'}); the dimensions of a study have one size"
            )
        return array

    def _encode_text(self, values: Any) -> np.ndarray:
        if isinstance(values, np.ndarray) and values.dtype == object:
            # lists of words arrive as tuples
            values = values.tolist()
        plain = isinstance(values, np.ndarray) and values.dtype != object
        # an array of texts would forget zeros at their end
        texts = values if plain else np.asarray([*values], object)
        if texts.dtype.kind != "S" or texts.dtype.itemsize > self.width or has_zeros(texts).any():
            encoded = [self._fit(text, self.width) for text in texts.ravel().tolist()]
            texts = np.array(encoded, self.dtype).reshape(texts.shape)
        if texts.shape[1:] != self.shape:
            raise ResultsError(f"{self.role} {self.name}: a point has shape {texts.shape[1:]}, declared is {self.shape}")
        return np.ascontiguousarray(texts, self.dtype)

    def _fit(self, text: Any, width: int) -> bytes:
        data = text if isinstance(text, bytes) else str(text).encode(errors="replace")
        if b"\0" in data:
            if not self.cut:
                words = data.decode(errors="replace")
                raise ResultsError(f'{self.role} {self.name}: "{shown(words)}" has a zero character, which ends a text in HDF5')
            data = data.replace(b"\0", "\N{REPLACEMENT CHARACTER}".encode())
        if len(data) <= width:
            return data
        if not self.cut:
            raise ResultsError(f"{self.role} {self.name}: {text!r} has {len(data)} bytes, at most {width} fit")
        return data[:width].decode(errors="ignore").encode()


def gather(batches: Sequence[Any], column: Column) -> np.ndarray:
    """The batches of one column that is not ragged as one array, see :meth:`Column.encode`."""
    if len(batches) == 1:
        return column.encode(batches[0])
    if all(isinstance(batch, np.ndarray) and batch.dtype.kind not in "OUS" for batch in batches):
        return column.encode(np.concatenate(batches))
    return column.encode([value for batch in batches for value in batch])


def pieces(batches: Sequence[Any], column: Column) -> Iterator[np.ndarray]:
    """The values of all points of a ragged column, one after the other: many short ones together, long ones as they are."""
    waiting: list[np.ndarray] = []
    size = 0
    for values in (values for batch in batches for values in batch):
        waiting.append(np.asarray(values, column.dtype).reshape(-1))
        size += waiting[-1].nbytes
        if size >= _PIECE_BYTES:
            yield np.concatenate(waiting) if len(waiting) > 1 else waiting[0]
            waiting, size = [], 0
    if size:
        yield np.concatenate(waiting)
