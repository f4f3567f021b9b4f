"""What a Python file says: its code in a normal form, what it imports, and what changed in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def normal_form(content: bytes) -> bytes:
    """The code of a file, the same whatever its comments, layout and docstrings are.

    What stands under ``if __name__ == "__main__":`` does not count either. The form does not depend on the version of
    Python, as :func:`ast.dump` does. A file that is no Python is its own form.

    Examples
    --------
    >>> normal_form(b"x = 1  # one") == normal_form(b"x=(1)")
    True
    >>> normal_form(b"x = 1") == normal_form(b"x = 1.0")
    False
    """
    tree = parsed(content)
    try:
        return content if tree is None else _dumped(tree).encode()
    except RecursionError:
        return content


def definitions(content: bytes) -> dict[str, str]:
    """The normal form of every name that stands at the top of a file: functions, classes, constants."""
    tree = parsed(content)
    found: dict[str, str] = {}
    for node in _statements(tree) if tree is not None else ():
        for name in _names(node):
            found[name] = found.get(name, "") + _dumped(node)
    return found


def imports(content: bytes, name: str, path: Path) -> list[str]:
    """Dotted names of all that a module may import, anywhere in it; of ``from a import b`` both ``a`` and ``a.b``.

    Parameters
    ----------
    content : bytes
    name : str
        The module's own dotted name.
    path : Path
        Its file: where it imports by names that it computes, all modules of its folder are meant.
    """
    tree = parsed(content)
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    found: list[str] = []
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = base + (node.module.split(".") if node.module else [])
            found += [".".join(base)] if base else []
            found += [".".join([*base, alias.name]) for alias in node.names if alias.name != "*"]
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__") and node.args:
            [first, *_] = node.args
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.append(".".join([*package, first.value.lstrip(".")]) if first.value.startswith(".") else first.value)
            else:
                found += [".".join([*package, beside.stem]) for beside in sorted(path.parent.glob("*.py"))]
    return found


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""


def parsed(content: bytes) -> ast.Module | None:
    """The tree of a file; None where it is no Python."""
    try:
        return ast.parse(content)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Statements of a block without its docstring and what only a script does."""
    body: list[ast.stmt] = tree.body  # type: ignore[attr-defined]
    for number, node in enumerate(body):
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        script = isinstance(tree, ast.Module) and isinstance(node, ast.If) and _dumped(node.test) == _SCRIPT
        if not (text and number == 0) and not script:
            yield node


def _dumped(node: object) -> str:
    """A tree as text: types and values without positions; what is empty is left out, as versions differ in it."""
    if isinstance(node, ast.AST):
        parts = []
        for name, value in ast.iter_fields(node):
            if name == "body" and isinstance(node, _DOCUMENTED):
                value = list(_statements(node))
            empty = value is None or value == [] or name in ("kind", "type_comment", "type_ignores")
            # None is also a value that code may have
            if not empty or (isinstance(node, ast.Constant) and name == "value"):
                parts.append(f"{name}={_dumped(value)}")
        return f"{type(node).__name__}({','.join(parts)})"
    if isinstance(node, list):
        return f"[{','.join(map(_dumped, node))}]"
    # a number of thousands of digits has no decimal text
    return f"int:{node:x}" if type(node) is int else f"{type(node).__name__}:{node!r}"


def _names(node: ast.stmt) -> Iterator[str]:
    """Names that a statement gives a meaning; of others that are run, "the module's own statements"."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        yield "the imports"
    else:
        stored = [part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)]
        yield from dict.fromkeys(stored) if stored else ["statements"]


_SCRIPT = _dumped(ast.parse('__name__ == "__main__"', mode="eval").body)
