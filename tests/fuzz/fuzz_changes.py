"""Hostile changes of good input: of tables, of text, of bytes."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

#: Numbers, texts and tables that somebody may write anywhere.
ODD: tuple[Any, ...] = (
    0, -1, 1, 2**31, 2**63 - 1, 2**63, 2**64, -(2**70), 10**400,
    0.0, -0.0, 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf"), True, False,
    "", " ", ".", "..", "../..", "../../../../etc/passwd", "/etc/passwd", "/dev/zero", "/dev/stdin", "/proc/self/mem", "~root",
    "\0", "a\0b", "nul\n\r\t", "é", "\u202egnp", "\ud7ff", "𝛼", "a" * 300, "%s%n{0}{{}}", "$(touch x)", "`id`", "; rm -rf .",
    "<script>alert(1)</script>", "-1 mV", "1e400 mV", "nan ms", "5 parsec/fortnight", "1e-400 s", "mV", "10 ** 10 ** 10 mV",
    "os:system", "../a:b", ":", "a:", ":b", "builtins:eval", "subprocess:run", "hpcsim.errors:HpcsimError", "...", "-", "--help",
    [], [[]], [[1, [2]]], [float("nan")], ["a", 1, None, {}], list(range(300)), [0.0, 0.0], [1, 0], [float("-inf"), float("inf")],
    {}, {"": {}}, {"a": 1}, {"uniform": [1, 0]}, {"normal": [0, -1]}, {"linspace": [0, 1, 10**12]}, {"linspace": [0, 1, -3]},
    {"uniform": [0, float("inf")]}, {"choice": []}, {"file": "/dev/zero"}, {"study": "../../x"}, {"list": [1, "a"]},
)  # fmt: skip
#: Those that are no tables.
_WORDS = [odd for odd in ODD if not isinstance(odd, dict)]
_DEEP: Any = 0
for _ in range(60):
    _DEEP = {"a": [_DEEP]}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in tables and lists, outermost first."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def _at(tables: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        tables = tables[key]
    return tables


@st.composite
def changed_tables(draw: st.DrawFn, tables: Any, odd: tuple[Any, ...] = ODD) -> Any:
    """Tables with one to four changes: another value or type, a key dropped, renamed, added, two values swapped."""
    found = deepcopy(tables)
    for _ in range(draw(st.integers(1, 4))):
        there = list(places(found))
        if not there:
            break
        path = draw(st.sampled_from(there))
        holder, key = _at(found, path[:-1]), path[-1]
        match draw(st.sampled_from(["odd", "odd", "odd", "drop", "rename", "add", "swap", "list", "text", "deep", "number"])):
            case "odd":
                holder[key] = deepcopy(draw(st.sampled_from(odd)))
            case "drop":
                del holder[key]
            case "rename" if isinstance(holder, dict):
                holder[draw(st.sampled_from(["", "a.b", "é", "x" * 300, "__class__", "file", "use", "../x"]))] = holder.pop(key)
            case "add" if isinstance(holder, dict):
                holder[draw(st.text(max_size=8))] = deepcopy(draw(st.sampled_from(odd)))
            case "swap":
                holder[key] = deepcopy(_at(found, draw(st.sampled_from(there))))
            case "list":
                holder[key] = [holder[key]] * draw(st.integers(0, 3))
            case "text":
                holder[key] = str(holder[key])[:200]
            case "deep":
                holder[key] = deepcopy(_DEEP)
            case _:
                holder[key] = draw(st.one_of(st.integers(), st.floats(), st.text(max_size=20)))
    return found


@st.composite
def changed_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """A file with one to five changes: bits flipped, bytes overwritten, a piece cut out, doubled, moved, the end lost."""
    found = bytearray(content)
    for _ in range(draw(st.integers(1, 5))):
        if not found:
            break
        at = draw(st.integers(0, len(found) - 1))
        stop = min(len(found), at + draw(st.integers(1, 64)))
        match draw(st.sampled_from(["flip", "flip", "write", "write", "cut", "double", "end", "extreme"])):
            case "flip":
                found[at] ^= 1 << draw(st.integers(0, 7))
            case "write":
                found[at:stop] = draw(st.binary(min_size=stop - at, max_size=stop - at))
            case "extreme":
                found[at:stop] = draw(st.sampled_from([b"\0", b"\xff", b"\x7f", b"\x80"])) * (stop - at)
            case "cut":
                del found[at:stop]
            case "double":
                found[at:at] = found[at:stop] * draw(st.sampled_from([1, 1, 50]))
            case _:
                del found[at:]
    return bytes(found)


def _short(odd: Any) -> str:
    # Python makes no text of whole numbers with thousands of digits
    return str(odd)[:400]


@st.composite
def changed_text(draw: st.DrawFn, text: str) -> bytes:
    """A text with lines dropped, doubled, swapped, words exchanged for odd ones, and then perhaps bytes changed."""
    lines = text.splitlines()
    for _ in range(draw(st.integers(1, 4))):
        if not lines:
            break
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["drop", "double", "swap", "word", "word", "word", "blank"])):
            case "drop":
                del lines[at]
            case "double":
                lines[at:at] = [lines[at]] * draw(st.sampled_from([1, 2, 100]))
            case "swap":
                other = draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            case "word" if words := lines[at].split(" "):
                words[draw(st.integers(0, len(words) - 1))] = str(
                    draw(st.sampled_from([o for o in ODD if not isinstance(o, dict)]))
                )
                lines[at] = " ".join(words)
            case _:
                lines[at] = draw(st.sampled_from(["", " ", "\t", "\ufeff", "#", '"', "(", ")", "\0", "[[", "'''"]))
    content = "\n".join(lines).encode("utf-8", "surrogatepass")
    return draw(changed_bytes(content)) if content and draw(st.booleans()) else content
