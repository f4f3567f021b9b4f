"""The code of a function that stands in no module: in a notebook's cells, or in the script that runs."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from types import CodeType, FunctionType, ModuleType
from typing import Any

from hpcsim.source.files import Source, SourceFile, code_digest, named

SESSION = "__main__"
_PLAIN = (bool, int, float, complex, str, bytes, tuple, list, dict, set, frozenset, PurePath, type(None))


def session_source(function: Callable[..., Any]) -> tuple[Source | None, list[ModuleType]]:
    """Its text with those of the functions, classes and constants of the session that it uses, and mechanisms that these name.

    Returns
    -------
    source : Source or None
        None where the text cannot be had.
    modules : list of module
        Modules that it uses.
    """
    texts: dict[str, str] = {}
    modules: list[ModuleType] = []
    pending: list[Any] = [inspect.unwrap(function)]
    while pending:
        thing = pending.pop()
        name = thing.__qualname__
        if name in texts:
            continue
        try:
            texts[name] = textwrap.dedent(inspect.getsource(thing))
        except (OSError, TypeError):
            return None, []
        for member in _functions(thing):
            for used, value in _globals(member):
                if isinstance(value, ModuleType):
                    modules.append(value)
                elif isinstance(value, (FunctionType, type)):
                    pending += [value] if value.__module__ == SESSION else []
                elif isinstance(value, _PLAIN):
                    texts[used] = f"{used} = {value!r}\n"
                elif hasattr(value, "tobytes"):
                    texts[used] = f"{used} = {value.tobytes()!r}\n"
    content = "\n".join(texts[name] for name in sorted(texts)).encode()
    here = Path.cwd()
    file = SourceFile(Path(SESSION), code_digest(content), content)
    files = {f"{SESSION}/{function.__qualname__}.py": file, **named(content, here, here)}
    return Source(here, SESSION, files), modules


def _functions(thing: Any) -> list[Any]:
    """A function, or the methods of a class."""
    return [member for member in vars(thing).values() if isinstance(member, FunctionType)] if isinstance(thing, type) else [thing]


def _globals(function: Any) -> Iterator[tuple[str, Any]]:
    """Global names that a function uses, with their values, in order."""
    held = getattr(function, "__globals__", {})
    names = sorted(set(_names(function.__code__))) if hasattr(function, "__code__") else []
    return ((name, held[name]) for name in names if name in held)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
