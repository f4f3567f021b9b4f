"""Pickles of tables: those of old and new pandas are read, and whatever else one names is refused before it is called."""

from __future__ import annotations

import io
import os
import pickle

import numpy as np
import pandas as pd
import pytest

from hpcsim.data.pickled_table import read_pickled_table
from hpcsim.errors import ResultsError

CELLS, STATISTICS = ["20180101_sample_1", "20180101_sample_2", "20180102_sample_7"], ["AP width", "latency", "AP count"]
VALUES = np.array([[0.8, 1.5, 3.25], [np.nan, -2.0, 1e-300], [0.1 + 0.2, 7.0, -0.0]])


# the operations of a pickle, as bytes


def literal(value: object) -> bytes:
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, 2)
    # nothing is put aside for later use
    pickler.fast = True
    pickler.dump(value)
    return stream.getvalue()[2:-1]


def name(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def tuples(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def lists(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"l"


def dicts(**items: bytes) -> bytes:
    return b"(" + b"".join(literal(key) + item for key, item in items.items()) + b"d"


def call(what: bytes, *arguments: bytes) -> bytes:
    return what + tuples(*arguments) + b"R"


def new(what: bytes, state: bytes) -> bytes:
    return what + b")\x81" + state + b"b"


def array(values: np.ndarray, numpy: str = "numpy.core.multiarray", code: str = "f8") -> bytes:
    data = literal(values.tolist() if code == "O8" else values.tobytes("F"))
    dtype = call(name("numpy", "dtype"), literal(code), literal(0), literal(1))
    dtype += literal((3, "|" if code == "O8" else "<", None, None, None, -1, -1, 0)) + b"b"
    empty = call(name(numpy, "_reconstruct"), name("numpy", "ndarray"), literal((0,)), literal(b"b"))
    return empty + tuples(literal(1), literal(values.shape), dtype, literal(True), data) + b"b"


def index(values: list[str], module: str = "pandas.core.indexes.base", kind: str = "Index") -> bytes:
    return call(
        name(module, "_new_Index"),
        name(module, kind),
        dicts(data=array(np.array(values, dtype=object), code="O8"), name=literal("cell id")),
    )


def pickled(manager: bytes, key: str = "_mgr") -> bytes:
    frame = new(name("pandas.core.frame", "DataFrame"), dicts(**{key: manager, "_typ": literal("dataframe")}))
    return b"\x80\x02" + dicts(X_o=frame, exclude=literal([1, 2])) + b"."


def of_pandas_1_3() -> bytes:
    """A block for each two columns, and one that lists its columns."""
    block = name("pandas._libs.internals", "_unpickle_block")
    places = call(name("__builtin__", "slice"), literal(0), literal(3), literal(2))
    first = call(block, array(VALUES.T[::2]), places, literal(2))
    second = call(block, array(VALUES.T[1:2]), array(np.array([1]), code="i8"), literal(2))
    manager = name("pandas.core.internals.managers", "BlockManager")
    return pickled(call(manager, tuples(first, second), lists(index(STATISTICS), index(CELLS))))


def of_pandas_0_20() -> bytes:
    """The state says all, under the version that began to write it so."""
    axes = lists(index(STATISTICS), index(CELLS))
    block = dicts(values=array(VALUES.T), mgr_locs=call(name("__builtin__", "slice"), literal(0), literal(3), literal(1)))
    extra = dicts(**{"0.14.1": dicts(axes=axes, blocks=lists(block))})
    state = tuples(axes, lists(array(VALUES.T)), lists(index(STATISTICS)), extra)
    return pickled(new(name("pandas.core.internals", "BlockManager"), state), "_data")


def of_pandas_0_13() -> bytes:
    """A block names its columns; the classes of an index lie elsewhere."""
    columns, cells = index(STATISTICS, "pandas.core.index"), index(CELLS, "pandas.core.index")
    state = tuples(lists(columns, cells), lists(array(VALUES.T[::-1])), lists(index(STATISTICS[::-1], "pandas.core.index")))
    return pickled(new(name("pandas.core.internals", "BlockManager"), state), "_data")


@pytest.fixture(autouse=True)
def strings_of_python():
    """Where pyarrow is installed pandas keeps words in its arrays, which no published table has."""
    with pd.option_context("mode.string_storage", "python"):
        yield


def of_today(protocol: int) -> bytes:
    table = pd.DataFrame(VALUES, index=pd.Index(CELLS, name="cell id"), columns=STATISTICS)
    return pickle.dumps({"X_o": table, "exclude": [1, 2]}, protocol=protocol)


WRITERS = {
    "pandas 1.3": of_pandas_1_3,
    "pandas 0.20": of_pandas_0_20,
    "pandas 0.13": of_pandas_0_13,
    **{f"today, protocol {protocol}": (lambda protocol=protocol: of_today(protocol)) for protocol in (2, 4, 5)},
}


@pytest.mark.parametrize("writer", WRITERS)
def test_tables_of_any_pandas_are_read(tmp_path, writer):
    path = tmp_path / "table.pickle"
    path.write_bytes(WRITERS[writer]())
    table = read_pickled_table(path, "X_o")
    assert list(table.columns) == STATISTICS and list(table.index) == CELLS and table.index.name == "cell id"
    np.testing.assert_array_equal(table.to_numpy(), VALUES)


def test_columns_of_several_kinds(tmp_path):
    table = pd.DataFrame(
        {"rate": np.float32([0.5, 2]), "n": [1, -2], "kind": ["PV", None], "used": [True, False], 3: ["a", "b"]}, index=[7, 9]
    )
    path = tmp_path / "table.pickle"
    path.write_bytes(pickle.dumps(table, protocol=4))
    read = read_pickled_table(path)
    pd.testing.assert_frame_equal(read, table, check_column_type=False)


def test_an_index_that_is_a_range_or_of_an_old_class(tmp_path):
    manager = name("pandas.core.internals.managers", "BlockManager")
    block = call(
        name("pandas._libs.internals", "_unpickle_block"),
        array(VALUES.T[:1], "numpy._core.multiarray"),
        call(name("builtins", "slice"), literal(0), literal(1), literal(1)),
        literal(2),
    )
    for kind, module, about, expected in (
        ("RangeIndex", "range", {"start": literal(0), "stop": literal(6), "step": literal(2)}, [0, 2, 4]),
        ("Int64Index", "numeric", {"data": array(np.array([5, 6, 9]), code="i8")}, [5, 6, 9]),
        ("Float64Index", "numeric", {"data": array(np.array([0.5, 1, 2]))}, [0.5, 1, 2]),
    ):
        made = name("pandas.core.indexes.base", "_new_Index")
        rows = call(made, name(f"pandas.core.indexes.{module}", kind), dicts(**about, name=literal(None)))
        path = tmp_path / f"{kind}.pickle"
        path.write_bytes(pickled(call(manager, tuples(block), lists(index(["AP width"]), rows))))
        assert list(read_pickled_table(path, "X_o").index) == expected


class Hostile:
    """Pickled as a call of a function."""

    def __init__(self, what: bytes, *arguments: object) -> None:
        self.content = b"\x80\x04" + call(what, *map(literal, arguments)) + b"."


TOUCH = "touch called"
#: What runs code, opens files, or reaches either from a name that looks harmless.
HOSTILE = [
    (name("os", "system"), TOUCH),
    (name("posix", "system"), TOUCH),
    (name("subprocess", "check_output"), ["touch", "called"]),
    (name("builtins", "eval"), "open('called', 'w')"),
    (name("builtins", "exec"), "open('called', 'w')"),
    (name("__builtin__", "eval"), "open('called', 'w')"),
    (name("builtins", "open"), "called", "w"),
    (name("builtins", "getattr"), "", "format"),
    (name("numpy.testing._private.utils", "runstring"), "open('called', 'w')", {}),
    (name("numpy", "save"), "called.npy", [1]),
    (name("numpy", "load"), "called.npy"),
    (name("numpy", "ndarray.tofile"), "called"),
    (name("numpy.core.multiarray", "fromfile"), "called"),
    (name("numpy.core.multiarray", "_reconstruct.__globals__"), "called"),
    (name("numpy.f2py.crackfortran", "myeval"), "open('called', 'w')"),
    (name("numpy.distutils.exec_command", "exec_command"), TOUCH),
    (name("pandas", "read_pickle"), "called"),
    (name("pandas", "eval"), "1"),
    (name("pandas.core.frame", "DataFrame.to_csv"), "called"),
    (name("pandas.io.common", "os.system"), TOUCH),
    (name("copyreg", "_reconstructor"), 1, 2, 3),
    (name("functools", "partial"), TOUCH),
]


@pytest.mark.parametrize(("what", "arguments"), [(what, arguments) for what, *arguments in HOSTILE], ids=repr)
def test_what_a_pickle_may_not_name_is_not_called(tmp_path, what, arguments):
    path = tmp_path / "hostile.pickle"
    path.write_bytes(Hostile(what, *arguments).content)
    spelled = what[1:].decode().strip().replace("\n", ".")
    with pytest.raises(ResultsError, match=rf"hostile\.pickle: the pickle names {spelled}, which is refused.*Nothing that"):
        read_pickled_table(path, "X_o")
    assert [entry.name for entry in tmp_path.iterdir()] == ["hostile.pickle"]


@pytest.mark.parametrize(
    "content",
    [
        # other operations that call: by name and arguments at once, and by a number in Python's registry
        b"(S'touch called'\nios\nsystem\n.",
        b"(cos\nsystem\nS'touch called'\no.",
        b"\x80\x02\x82\x01.",
        # a name beside the table
        b"\x80\x02" + dicts(X_o=literal(1), other=call(name("os", "system"), literal(TOUCH))) + b".",
        # a file elsewhere, and a pickle that goes on after its end
        b"Pelsewhere\n.",
        of_pandas_1_3()[:-40],
        b"",
        b"cell,rate\n",
    ],
)
def test_hostile_and_damaged_files_are_refused(tmp_path, content):
    path = tmp_path / "hostile.pickle"
    path.write_bytes(content)
    with pytest.raises(ResultsError, match=r"hostile\.pickle: .*take it again from where it was published"):
        read_pickled_table(path, "X_o")
    assert [entry.name for entry in tmp_path.iterdir()] == ["hostile.pickle"]


def manager_of(block: bytes) -> bytes:
    manager = name("pandas.core.internals.managers", "BlockManager")
    return pickled(call(manager, tuples(block), lists(index(["a"]), index(CELLS))))


def block_of(values: bytes) -> bytes:
    places = call(name("builtins", "slice"), literal(0), literal(1), literal(1))
    return call(name("pandas._libs.internals", "_unpickle_block"), values, places, literal(2))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (manager_of(block_of(array(VALUES.T[:1], code="V8"))), "values of the type 'V8'"),
        (manager_of(block_of(array(VALUES.T[:1], code="f8,O8"))), "values of the type 'f8,O8'"),
        (manager_of(block_of(array(VALUES.T))), "argument"),
        (manager_of(block_of(array(VALUES.T[:1, :2]))), "length|shape"),
        (manager_of(block_of(array(np.array([[[1], "x", 2]], dtype=object), code="O8"))), "an entry that is list"),
        (manager_of(b"N"), "found NoneType instead of Block"),
        (pickled(b"N"), "found NoneType instead of Manager"),
        (b"\x80\x02" + dicts(X_o=literal([1])) + b".", "found list"),
        (b"\x80\x02" + dicts(Y_o=literal([1])) + b".", "X_o"),
        # an array of a terabyte from nothing
        (
            manager_of(block_of(array(VALUES.T[:1]).replace(literal((1, 3)), literal((1, 10**11))))),
            "cannot reshape|length|argument",
        ),
    ],
)
def test_tables_that_are_none_are_refused(tmp_path, content, words):
    path = tmp_path / "strange.pickle"
    path.write_bytes(content)
    with pytest.raises(ResultsError, match=words):
        read_pickled_table(path, "X_o")


def test_nothing_of_the_packages_is_in_the_hands_of_a_pickle():
    """Whatever a pickle may name is a record; the list holds whole names only."""
    from hpcsim.data import pickled_table

    assert all(record.__module__ == pickled_table.__name__ for record in pickled_table.RECORDS.values())
    assert all("." not in attribute for _, attribute in pickled_table.RECORDS)
    assert not {module for module, _ in pickled_table.RECORDS} & {"os", "sys", "subprocess", "copyreg", os.name}
