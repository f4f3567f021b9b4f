"""Tables in pickles that others have published: the one place where a pickle is read, and nothing that it names is called.

A pickle is a program: it names functions and says with what to call them. Here each name is looked up in `RECORDS`, which
knows numpy's arrays and pandas' tables alone, in the spelling of any version; anything else is refused. Behind each name
stands a record of this module, which keeps what the file says. The table is then made anew from these records, so that
neither the file nor the version of pandas that wrote it matters.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import ResultsError

if TYPE_CHECKING:
    from pandas import DataFrame, Index


class _Record:
    """What a pickle says of an object: with what to make it, and its state."""

    arguments: tuple[Any, ...]
    state: Any = None

    def __new__(cls, *arguments: Any) -> _Record:
        record = super().__new__(cls)
        record.arguments = arguments
        return record

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Array(_Record): ...


class _Buffer(_Record): ...


class _DType(_Record): ...


class _Scalar(_Record): ...


class _Slice(_Record): ...


class _Bytes(_Record): ...


class _Block(_Record): ...


class _Manager(_Record): ...


class _Frame(_Record): ...


class _Index(_Record): ...


class _Strings(_Record): ...


class _Name(_Record):
    """A class that is named as an argument of what makes an object of it."""


#: Every name that a pickle may contain, as (module, name), and the record that stands for it.
RECORDS: dict[tuple[str, str], type[_Record]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
    ("builtins", "slice"): _Slice,
    # as protocols before 3 write a slice and bytes
    ("__builtin__", "slice"): _Slice,
    ("__builtin__", "bytes"): _Bytes,
    ("_codecs", "encode"): _Bytes,
    ("pandas.core.frame", "DataFrame"): _Frame,
    # as pandas 3 writes them
    ("pandas", "DataFrame"): _Frame,
    ("pandas", "Index"): _Name,
    ("pandas", "RangeIndex"): _Name,
    ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"): _Strings,
    ("pandas.arrays", "StringArray"): _Name,
    ("pandas", "StringDtype"): _Name,
    ("pandas._libs.internals", "_unpickle_block"): _Block,
}
for _numpy in ("numpy.core", "numpy._core"):
    RECORDS[f"{_numpy}.multiarray", "_reconstruct"] = _Array
    RECORDS[f"{_numpy}.multiarray", "scalar"] = _Scalar
    RECORDS[f"{_numpy}.numeric", "_frombuffer"] = _Buffer
for _managers in ("pandas.core.internals", "pandas.core.internals.managers"):
    RECORDS[_managers, "BlockManager"] = _Manager
for _indexes, _classes in {
    "pandas.core.indexes.base": ("Index",),
    "pandas.core.indexes.numeric": ("Int64Index", "UInt64Index", "Float64Index"),
    "pandas.core.indexes.range": ("RangeIndex",),
    # before pandas 0.20
    "pandas.indexes.base": ("Index",),
    "pandas.indexes.numeric": ("Int64Index", "UInt64Index", "Float64Index"),
    "pandas.indexes.range": ("RangeIndex",),
    "pandas.core.index": ("Index", "Int64Index", "Float64Index", "RangeIndex"),
}.items():
    RECORDS[_indexes, "_new_Index"] = _Index
    for _class in _classes:
        RECORDS[_indexes, _class] = _Name

#: Numbers, booleans and text of fixed size, and objects that are text or numbers.
_CODES = re.compile(r"[biuf][1248]|[SU][0-9]{1,4}|O[48]?")
#: What a pickle that is damaged, hostile or of another form makes the reader raise.
_REFUSED = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


def read_pickled_table(path: Path, key: str = "") -> DataFrame:
    """Read a pandas table of numbers and text from a pickle, whatever version of pandas has written it.

    Parameters
    ----------
    path : Path
    key : str
        Where the pickle holds a dictionary: which of its entries; the others are not looked at.

    Returns
    -------
    DataFrame

    Raises
    ------
    ResultsError
        If the pickle names anything but tables of pandas and arrays of numpy, or holds no such table.
    """
    try:
        with path.open("rb") as file:
            content = _Reader(file, encoding="latin1").load()
        found = content[key] if key else content
        if not isinstance(found, _Frame):
            raise ValueError(f"found {type(found).__name__}")
        return _table(found)
    except (OSError, *_REFUSED) as error:
        where = f'a pickle with a pandas table under "{key}"' if key else "a pickled pandas table"
        found = " ".join(str(error).split()) or type(error).__name__
        raise ResultsError(
            f"{path}: {found}; expected {where}, of numbers and text alone. Nothing that the "
            "file names was run; take it again from where it was published"
        ) from error


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type[_Record]:
        """The record that stands for a name; never what has this name."""
        if (module, name) not in RECORDS:
            raise pickle.UnpicklingError(f"the pickle names {module}.{name}, which is refused")
        return RECORDS[module, name]


def _table(frame: _Frame) -> DataFrame:
    import pandas

    state = frame.state
    # the key before pandas 1.1, and the state itself before 0.24
    manager = state.get("_mgr", state.get("_data")) if isinstance(state, dict) else state
    axes, blocks = _contents(_expect(manager, _Manager))
    columns, rows = (_index(axis) for axis in axes)
    values: dict[int, np.ndarray] = {}
    for block, places in blocks:
        # a column of text is a block of its own, without an axis for columns
        values.update(zip(np.arange(len(columns))[places].tolist(), np.atleast_2d(_array(block)), strict=True))
    if len(values) != len(columns):
        raise ValueError(f"the table has {len(columns)} columns, but values for {len(values)}")
    table = pandas.DataFrame({place: values[place] for place in range(len(columns))}, index=rows)
    table.columns = columns
    return table


def _contents(manager: _Manager) -> tuple[list[Any], list[tuple[Any, Any]]]:
    """Both axes, and the blocks of values with the columns that they hold."""
    if manager.arguments:
        blocks, axes = manager.arguments
        pairs = [_expect(block, _Block).arguments[:2] for block in blocks]
        return list(axes), [(values, _places(places)) for values, places in pairs]
    # before pandas 1.3
    axes, values, names, *more = manager.state
    if more:
        extra = more[0]["0.14.1"]
        return list(extra["axes"]), [(block["values"], _places(block["mgr_locs"])) for block in extra["blocks"]]
    # before pandas 0.14
    columns = _index(axes[0])
    return list(axes), [(block, columns.get_indexer(_index(items))) for block, items in zip(values, names, strict=True)]


def _places(found: Any) -> slice | np.ndarray:
    return slice(*found.arguments) if isinstance(found, _Slice) else _array(found)


def _index(found: Any) -> Index:
    import pandas

    _, about = _expect(found, _Index).arguments
    name = about.get("name")
    label = None if name is None else _plain(name)
    if "data" in about:
        return pandas.Index(_array(about["data"]), name=label)
    return pandas.RangeIndex(about["start"], about["stop"], about["step"], name=label)


def _array(found: Any) -> np.ndarray:
    if isinstance(found, _Strings):
        return _array(found.state[1])
    if isinstance(found, _Buffer):
        data, code, shape, order = found.arguments
    else:
        _, shape, code, fortran, data = _expect(found, _Array).state
        order = "F" if fortran else "C"
    kind = _dtype(code)
    if kind.hasobject:
        flat = np.empty(len(data), dtype=object)
        flat[:] = list(_each_plain(data))
    else:
        flat = np.frombuffer(_bytes(data), kind)
    return flat.reshape(shape, order=order)


def _dtype(found: Any) -> np.dtype:
    record = _expect(found, _DType)
    code = record.arguments[0]
    if not isinstance(code, str) or not _CODES.fullmatch(code):
        raise ValueError(f"values of the type {code!r}")
    # version of the state, then the order of bytes
    return np.dtype(code).newbyteorder(record.state[1] if record.state else "=")


def _each_plain(values: Any) -> Iterator[str | float | None]:
    return (_plain(value) for value in _expect(values, list))


def _plain(found: Any) -> str | float | None:
    """Text or a number."""
    if isinstance(found, _Scalar):
        code, data = found.arguments
        kind = _dtype(code)
        if kind.hasobject:
            raise ValueError("an object where a number was expected")
        found = np.frombuffer(_bytes(data), kind)[0].item()
    if found is not None and not isinstance(found, str | int | float):
        raise ValueError(f"an entry that is {type(found).__name__.strip('_')}, neither text nor a number")
    return found


def _bytes(found: Any) -> bytes:
    if isinstance(found, _Bytes):
        # bytes(), or encode(text, "latin1")
        found, *encoding = found.arguments or ("",)
        if encoding not in ([], ["latin1"]):
            raise ValueError(f"bytes that are encoded as {encoding}")
    return found.encode("latin1") if isinstance(found, str) else bytes(_expect(found, bytes, bytearray))


def _expect(found: Any, *kinds: type) -> Any:
    if not isinstance(found, kinds):
        raise ValueError(f"found {type(found).__name__.strip('_')} instead of {kinds[0].__name__.strip('_')}")
    return found
