"""Files of mechanisms, neurons and morphologies that code names: they are code for a simulator, and made the numbers as well."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from hpcsim.source.code import parsed

#: Files that are code for a simulator: a text or a path in the code that names one makes it a part of the model.
SIMULATOR = frozenset({".mod", ".hoc", ".inc", ".ses", ".swc", ".asc", ".nml", ".nestml"})
#: What is taken of a folder that code names; of morphologies there may be thousands.
_OF_FOLDERS = ("*.mod", "*.nestml")
_INCLUDED = re.compile(r'^[ \t]*(?:INCLUDE|#[ \t]*include)[ \t]*"([^"\0]+)"', re.MULTILINE)
#: Names of an expression may be defined by others, so often at most.
_DEEPEST = 20
#: Functions through which a path, or several, pass unchanged as far as their files go.
_SAME = frozenset({"str", "sorted", "list", "tuple", "set", "fspath", "resolve", "absolute", "abspath", "realpath", "as_posix"})

_Value = str | Path | list[Path] | None


def named_files(content: bytes, folder: Path, file: Path | None = None) -> list[Path]:
    """Simulator files that code names, by a text or by a path that is computed from its own, with what they include.

    Parameters
    ----------
    content : bytes
        Of Python; what cannot be read as such names none.
    folder : Path
        Where relative paths begin.
    file : Path, optional
        What ``__file__`` is.

    Returns
    -------
    list of Path
        Sorted. Of a folder, all mod files and NESTML neurons directly in it.
    """
    tree = parsed(content)
    if tree is None:
        return []
    found: set[Path] = set()
    for value in _Paths(tree, folder, file).of(tree):
        for path in value if isinstance(value, list) else [value]:
            found.update(_files(folder / path))
    return sorted(found.union(*map(included, found)))


def included(path: Path) -> list[Path]:
    """Files that a mod file includes, by INCLUDE or in C, and those that these include; what is not beside it is not its own."""
    found: dict[Path, None] = {}
    pending = [path] if path.suffix == ".mod" else []
    while pending:
        including = pending.pop()
        for name in _INCLUDED.findall(including.read_text(encoding="utf-8", errors="replace")):
            # as the compilers look for it: from the folder of the mod file, or of what includes it
            there = next((each for each in (path.parent / name, including.parent / name) if each.is_file()), None)
            if there is not None and there not in found:
                found[there] = None
                pending.append(there)
    return list(found)


def _files(path: Path) -> list[Path]:
    try:
        if path.is_dir():
            return [file for pattern in _OF_FOLDERS for file in path.glob(pattern)]
        return [path] if path.suffix in SIMULATOR and path.is_file() else []
    except (OSError, ValueError):
        # a text that looks like a path, and cannot be one
        return []


class _Paths:
    """Paths in code that follow from texts, ``__file__`` and names that the module gives a value once."""

    def __init__(self, tree: ast.AST, folder: Path, file: Path | None) -> None:
        self._folder, self._file = folder, file
        self._names: Mapping[str, ast.expr] = {
            target.id: node.value
            for node in getattr(tree, "body", [])
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }

    def of(self, tree: ast.AST) -> Iterator[Path | list[Path]]:
        """The widest expressions that are paths, and texts that name a simulator file."""
        pending = [tree]
        while pending:
            node = pending.pop()
            value = self._value(node) if isinstance(node, ast.expr) else None
            if isinstance(value, str):
                value = Path(value) if not isinstance(node, ast.Constant) or Path(value).suffix in SIMULATOR else None
            if value is None:
                pending += ast.iter_child_nodes(node)
            else:
                yield value

    def _value(self, node: ast.expr, depth: int = 0) -> _Value:
        if depth > _DEEPEST:
            return None
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) and "\0" not in node.value else None
        if isinstance(node, ast.Name):
            if node.id == "__file__":
                return str(self._file) if self._file is not None else None
            return self._value(self._names[node.id], depth + 1) if node.id in self._names else None
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            left, right = self._value(node.left, depth + 1), self._value(node.right, depth + 1)
            return Path(left) / right if isinstance(left, (str, Path)) and isinstance(right, (str, Path)) else None
        if isinstance(node, ast.Attribute) and node.attr == "parent":
            base = self._value(node.value, depth + 1)
            return base.parent if isinstance(base, Path) else None
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "parents":
            base, number = self._value(node.value.value, depth + 1), node.slice
            steps = number.value if isinstance(number, ast.Constant) and isinstance(number.value, int) else -1
            return base.parents[steps] if isinstance(base, Path) and 0 <= steps < len(base.parents) else None
        return self._called(node, depth + 1) if isinstance(node, ast.Call) else None

    def _called(self, node: ast.Call, depth: int) -> _Value:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name not in _SAME and name not in _METHODS:
            # names that are defined by each other would be followed in every argument
            return None
        given = [self._value(each, depth) for each in node.args]
        if name in _SAME and len(given) == 1 and not node.keywords:
            return given[0]
        base = self._value(node.func.value, depth) if isinstance(node.func, ast.Attribute) else None
        texts = [each for each in given if isinstance(each, (str, Path))]
        if len(texts) != len(given):
            return None
        if name in _SAME and not given:
            return base
        known = name in _METHODS and (base is None or isinstance(base, Path))
        return _METHODS[name](base, *map(str, texts)) if known else None


def _globbed(base: Path, pattern: str) -> list[Path]:
    """Simulator files alone: of others there may be very many."""
    try:
        return sorted(base.glob(pattern)) if Path(pattern).suffix in SIMULATOR else []
    except (ValueError, NotImplementedError, OSError):
        return []


def _whole(call: Callable[..., _Value]) -> Callable[..., _Value]:
    """A method of paths, which gives nothing where it does not fit."""

    def tried(base: Path | None, *texts: str) -> _Value:
        try:
            return call(base, *texts)
        except (TypeError, ValueError, AttributeError):
            return None

    return tried


#: Functions of pathlib and os.path, from the path that they belong to and texts.
_METHODS: Mapping[str, Callable[..., _Value]] = {
    **dict.fromkeys(("Path", "PosixPath", "PurePath", "PurePosixPath"), _whole(lambda base, *texts: Path(*texts))),
    "join": _whole(lambda base, *texts: str(Path(*texts)) if texts else None),
    "dirname": _whole(lambda base, text: str(Path(text).parent)),
    "with_name": _whole(lambda base, text: base.with_name(text)),
    "with_suffix": _whole(lambda base, text: base.with_suffix(text)),
    "joinpath": _whole(lambda base, *texts: base.joinpath(*texts)),
    "glob": _whole(lambda base, text: _globbed(base, text)),
    "rglob": _whole(lambda base, text: _globbed(base, f"**/{text}")),
}
