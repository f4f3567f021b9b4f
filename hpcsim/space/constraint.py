"""A constraint: which combinations of parameter values may be drawn."""

from __future__ import annotations

import ast
import operator
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np

from hpcsim.errors import SpaceError, nearest, shown

Predicate = Callable[[Mapping[str, np.ndarray]], Any]

_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: np.true_divide,
    ast.Pow: np.power,
    ast.Mod: np.mod,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": np.abs,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "min": lambda *numbers: reduce(np.minimum, numbers),
    "max": lambda *numbers: reduce(np.maximum, numbers),
}
_ALLOWED = f"numbers, parameters, + - * / ** %, comparisons, and, or, not, {', '.join(_FUNCTIONS)}"
_DEEPEST = 100
#: Characters of a condition: each point is compared with each of its terms.
_LONGEST = 4000
#: The largest float64.
_HIGHEST = sys.float_info.max


@dataclass(frozen=True)
class Constraint:
    """A condition on the values of a point, as text or as a function.

    Parameters
    ----------
    condition : str or callable
        Such as ``J_IE > J_EE and 2 * J_EE <= min(abs(J_EI), abs(J_II))``, in the parameters' own units;
        or a function from columns (a mapping of str to ndarray, shape (n,)) to booleans, shape (n,),
        whose answer for a row does not depend on the others.
    dotted : bool
        Whether names may have dots, as those of features do (``rate.E``).

    Raises
    ------
    SpaceError
        If the text is no condition.

    Examples
    --------
    >>> Constraint("0 < a <= 2 * b")({"a": np.array([1.0, 3.0]), "b": np.array([1.0, 1.0])})
    array([ True, False])
    """

    condition: str | Predicate
    dotted: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.condition, str):
            dots = [node for node in ast.walk(self._tree) if isinstance(node, ast.Attribute)]
            if dots and not self.dotted:
                raise SpaceError(f'"{shown(self.condition)}": {_refused(dots[0])}')
            if _is_truth(self._tree, self.condition, 0):
                return
            raise SpaceError(f'"{shown(self.condition)}" is a number, expected a comparison such as "a < b"')
        if not callable(self.condition):
            raise SpaceError(f'found {self.condition}, expected a text such as "a < b" or a function of columns')

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters that the text reads, sorted; none for a function."""
        if not isinstance(self.condition, str):
            return ()
        # the name of a function is none of them, nor is the part of a dotted name before its end
        inner = {n.func for n in ast.walk(self._tree) if isinstance(n, ast.Call)}
        inner |= {n.value for n in ast.walk(self._tree) if isinstance(n, ast.Attribute)}
        found = (n for n in ast.walk(self._tree) if isinstance(n, ast.Name | ast.Attribute) and n not in inner)
        return tuple(sorted({ast.unparse(n) for n in found}))

    def check(self, numbers: Iterable[str]) -> None:
        """Check that every name is a parameter that is a number.

        Raises
        ------
        SpaceError
            If one is not.
        """
        known = set(numbers)
        for name in self.names:
            if name not in known:
                raise SpaceError(f'constraint: there is no number "{shown(name)}"; {nearest(name, known)}')

    def __call__(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Which rows meet the condition.

        Parameters
        ----------
        columns : mapping of str to ndarray, shape (n,)

        Returns
        -------
        ndarray of bool, shape (n,)
            A row where the condition is not a number (a logarithm of less than 0) does not meet it.

        Raises
        ------
        SpaceError
            If a function returns something else.
        """
        n = len(next(iter(columns.values()))) if columns else 0
        if isinstance(self.condition, str):
            with np.errstate(all="ignore"):
                return np.array(np.broadcast_to(_value(self._tree, columns), n), bool)
        answer = np.asarray(self.condition(columns))
        if answer.shape != (n,) or answer.dtype != bool:
            raise SpaceError(
                f"constraint: the function returned {answer.dtype} of shape {answer.shape}, expected bool of shape ({n},)"
            )
        return answer

    @cached_property
    def _tree(self) -> ast.expr:
        text = str(self.condition)
        if len(text) > _LONGEST:
            raise SpaceError(f'"{shown(text)}" is no condition: expected at most {_LONGEST} characters')
        try:
            return ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise SpaceError(f'"{shown(text)}" is no condition: {error}; expected one such as "a < 2 * b"') from error


def _is_truth(node: ast.expr, text: str, depth: int) -> bool:
    """Whether an expression is a truth value and not a number; what is not allowed is an error."""
    if depth > _DEEPEST:
        raise SpaceError(f'"{shown(text)}" is nested more than {_DEEPEST} levels deep; write it shorter')
    operands, truths, result = _parts(node, text)
    for operand in operands:
        if _is_truth(operand, text, depth + 1) != truths:
            expected = "a comparison" if truths else "a number"
            raise SpaceError(f'"{shown(text)}": found "{shown(ast.unparse(operand))}" where {expected} is expected')
    return result


def _parts(node: ast.expr, text: str) -> tuple[list[ast.expr], bool, bool]:
    """Operands of a node, whether these must be truth values, and whether the node is one."""
    match node:
        case ast.BoolOp(values=values):
            return values, True, True
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return [operand], True, True
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARISONS for op in ops):
            return [left, *others], False, True
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return [operand], False, False
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return [left, right], False, False
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            if (len(args) < 2) if name in ("min", "max") else (len(args) != 1):
                wanted = "at least two values" if name in ("min", "max") else "one value"
                raise SpaceError(f'"{shown(text)}": {name} takes {wanted}, found {len(args)}')
            return args, False, False
        case ast.Name():
            return [], False, False
        case ast.Attribute(value=ast.Name() | ast.Attribute() as value):
            # a name with dots, such as rate.E: nothing is looked up in anything
            return _parts(value, text)
        case ast.Constant(value=value) if type(value) is float or (type(value) is int and abs(value) <= _HIGHEST):
            return [], False, False
    raise SpaceError(f'"{shown(text)}": {_refused(node)}')


def _refused(node: ast.expr) -> str:
    return f'"{shown(ast.unparse(node))}" is not allowed; allowed: {_ALLOWED}'


def _value(node: ast.expr, columns: Mapping[str, np.ndarray]) -> Any:
    """Value of an expression that has been checked."""
    match node:
        case ast.BoolOp(op=op, values=values):
            join = np.logical_and if isinstance(op, ast.And) else np.logical_or
            return reduce(join, [_value(value, columns) for value in values])
        case ast.UnaryOp(op=op, operand=operand):
            value = _value(operand, columns)
            return np.logical_not(value) if isinstance(op, ast.Not) else -value if isinstance(op, ast.USub) else value
        case ast.Compare(left=left, ops=ops, comparators=others):
            sides = [_value(side, columns) for side in (left, *others)]
            pairs = zip(ops, sides[:-1], sides[1:], strict=True)
            return reduce(np.logical_and, [_COMPARISONS[type(op)](a, b) for op, a, b in pairs])
        case ast.BinOp(left=left, op=op, right=right):
            return _ARITHMETIC[type(op)](_value(left, columns), _value(right, columns))
        case ast.Call(func=ast.Name(id=name), args=args):
            return _FUNCTIONS[name](*[_value(arg, columns) for arg in args])
        case ast.Name() | ast.Attribute():
            return np.asarray(columns[ast.unparse(node)], np.float64)
        case ast.Constant(value=value):
            # float64, so that 9**9**9 is infinity and not a number of millions of digits
            return np.float64(value)  # type: ignore[arg-type]
    raise SpaceError(f'"{ast.unparse(node)}" is not allowed; allowed: {_ALLOWED}')
