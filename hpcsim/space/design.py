"""A design: a space put in order, so that point ``i`` is computed alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cached_property
from hashlib import blake2b
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import SpaceError, nearest
from hpcsim.space import sequence
from hpcsim.space.constraint import Constraint
from hpcsim.space.distribution import column
from hpcsim.space.identity import point_ids, point_seeds
from hpcsim.space.space import Space

if TYPE_CHECKING:
    from hpcsim.models.model import Point, Points

METHODS = ("grid", "random", "sobol", "halton", "lhs")
#: Attempts to replace a draw that a constraint forbids.
ATTEMPTS = 10_000
_LONGEST = 2**62
#: Rows and candidates that a replacement looks at together: enough for numpy, little for memory.
_ROWS, _CANDIDATES = 256, 16_384


class Design:
    """A space put in order.

    The replicate runs fastest, then the axes of the grid (the last one fastest), then the sample. Point ``i``
    depends on ``i`` alone: nothing is listed, nothing is kept.

    Parameters
    ----------
    space : Space
    method : str
        ``grid`` for spaces of lists; ``random``, ``sobol``, ``halton`` or ``lhs`` where parameters are drawn.
        With ``random``, ``sobol`` and ``halton`` a longer design begins with the points of the shorter one.
    n : int, optional
        Number of samples; each is combined with the whole grid.
    seed : int
        Of the samples and of the points.
    replicates : int
        How often each set of values is simulated, each time with another random seed.
    constraint : Constraint, str or callable, optional
        A sample that violates it is replaced by independent random draws until one does not. It sees drawn and
        fixed parameters.
    block : int, optional
        Points in one Latin hypercube; `n` by default. A hypercube cannot grow: a longer design keeps the points
        that it has when `block` stays at the old `n`.
    model : str
        Name of the model, a part of every id.

    Raises
    ------
    SpaceError
        If the method does not suit the space, or a number makes no sense.

    Examples
    --------
    >>> from hpcsim.space import Parameter, Space
    >>> space = Space.from_tables([Parameter("a", 1.0), Parameter("b", 1.0)], {"a": [1, 2], "b": [3, 4, 5]}, {})
    >>> design = Design(space, model="toy.square")
    >>> len(design), dict(design.point(4).values)
    (6, {'a': 2.0, 'b': 4.0})
    """

    def __init__(
        self,
        space: Space,
        method: str = "grid",
        n: int | None = None,
        seed: int = 0,
        replicates: int = 1,
        constraint: Constraint | str | Callable[[Mapping[str, np.ndarray]], Any] | None = None,
        block: int | None = None,
        *,
        model: str,
    ) -> None:
        self.space = space
        self.model = model
        self.method = _check_method(method, space, n, block, constraint)
        self.n = 1 if n is None else _check_count("n", n)
        self.seed = _check_seed(seed)
        self.replicates = _check_count("replicates", replicates)
        self.hypercube = self.n if block is None else _check_count("block", block)
        self.constraint = constraint if isinstance(constraint, Constraint | None) else Constraint(constraint)
        self._cells = prod(len(axis) for axis in space.axes)
        self._length = self.n * self._cells * self.replicates
        if self._length > _LONGEST:
            raise SpaceError(f"found {self._length} points, expected at most 2**62; make the grid or n smaller")
        if method == "sobol" and self.n > 2**sequence.SOBOL_BITS:
            raise SpaceError(f"found n = {self.n}, a Sobol sequence has 2**{sequence.SOBOL_BITS} points; use random")
        # streams belong to names in sorted order, so that the order of the file does not matter
        self._drawn = sorted(space.sampled)
        self._check_constraint()

    def __len__(self) -> int:
        return self._length

    def block(self, start: int, stop: int) -> Points:
        """Points `start` to `stop` (excluded).

        Parameters
        ----------
        start, stop : int

        Returns
        -------
        Points

        Raises
        ------
        SpaceError
            If there are no such points, or the constraint forbids nearly everything.
        """
        from hpcsim.models.model import Points

        columns, replicates = self._columns(start, stop)
        ids = point_ids(self.model, columns, replicates)
        return Points(columns, ids.astype("U32").tolist(), replicates, point_seeds(self.seed, ids))

    def point(self, i: int) -> Point:
        """Point `i`, counted from 0.

        Raises
        ------
        SpaceError
            As :meth:`block`.
        """
        points = self.block(i, i + 1)
        point: Point = points[0]
        return point

    def ids(self, start: int, stop: int) -> np.ndarray:
        """Ids of points `start` to `stop` (excluded).

        Parameters
        ----------
        start, stop : int

        Returns
        -------
        ndarray of S32, shape (stop - start,)
            Hexadecimal digits.

        Raises
        ------
        SpaceError
            As :meth:`block`.
        """
        return point_ids(self.model, *self._columns(start, stop))

    @cached_property
    def digest(self) -> str:
        """32 hexadecimal digits that stand for this sequence of points and their seeds."""
        space = self.space
        text = {
            "format": "hpcsim-design-1",
            "model": self.model,
            "fixed": dict(space.fixed),
            "axes": [[[name, _described(values)] for name, values in axis.lists.items()] for axis in space.axes],
            "sampled": {name: _described(distribution) for name, distribution in space.sampled.items()},
            "sequence": [self.method, self.n, self.seed, self.replicates],
            "hypercube": self.hypercube if self.method == "lhs" else None,
            "constraint": self._constraint_text(),
        }
        return blake2b(json.dumps(text, sort_keys=True).encode(), digest_size=16).hexdigest()

    def _constraint_text(self) -> str:
        if self.constraint is None or isinstance(self.constraint.condition, str):
            return str(self.constraint.condition) if self.constraint else ""
        # a function has no text: its name, and what it lets pass
        return getattr(self.constraint.condition, "__qualname__", "") + str(self.ids(0, min(len(self), 64)).tolist())

    def _check_constraint(self) -> None:
        if self.constraint is None:
            return
        grid = {name for axis in self.space.axes for name in axis.names}
        listed = grid.intersection(self.constraint.names)
        if listed:
            raise SpaceError(
                f"constraint: {', '.join(sorted(listed))} stands in the grid; expected drawn and fixed parameters alone"
            )
        numbers = {p.name for p in self.space.parameters if isinstance(p.default, (int, float))} - grid
        self.constraint.check(numbers)

    def _columns(self, start: int, stop: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Values of all parameters, a column each, and the replicates."""
        if not 0 <= start <= stop <= self._length:
            raise SpaceError(f"found points {start} to {stop}, expected 0 to {self._length}")
        rest, replicates = np.divmod(np.arange(start, stop, dtype=np.int64), self.replicates)
        sample, cell = np.divmod(rest, self._cells)
        columns: dict[str, np.ndarray] = {}
        for axis in reversed(self.space.axes):
            cell, place = np.divmod(cell, len(axis))
            columns |= axis.at(place)
        if self._drawn and stop > start:
            first, last = int(sample[0]), int(sample[-1])
            samples = self._samples(first, last + 1)
            columns |= {name: values[sample - first] for name, values in samples.items()}
        elif self._drawn:
            columns |= self._transformed(np.empty((0, len(self._drawn))))
        columns |= self._fixed(stop - start)
        return {p.name: columns[p.name] for p in self.space.parameters}, replicates

    def _fixed(self, n: int) -> dict[str, np.ndarray]:
        return {name: np.repeat(column((value,)), n) for name, value in self.space.fixed.items()}

    def _samples(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """Values of the drawn parameters for samples `start` to `stop`."""
        dims = len(self._drawn)
        if self.method == "lhs":
            uniform = sequence.lhs(self.seed, dims, start, stop, self.hypercube)
        else:
            uniform = sequence.ENDLESS[self.method](self.seed, dims, start, stop)
        if self.constraint is not None:
            rejected = np.flatnonzero(~self._accepted(uniform))
            for rows in np.split(rejected, range(_ROWS, len(rejected), _ROWS)):
                uniform[rows] = self._replaced(start + rows)
        return self._transformed(uniform)

    def _transformed(self, uniform: np.ndarray) -> dict[str, np.ndarray]:
        drawn = enumerate(self._drawn)
        return {name: self.space.sampled[name].quantile(np.ascontiguousarray(uniform[:, i])) for i, name in drawn}

    def _accepted(self, uniform: np.ndarray) -> np.ndarray:
        if self.constraint is None:
            return np.ones(len(uniform), bool)
        return self.constraint({**self._fixed(len(uniform)), **self._transformed(uniform)})

    def _replaced(self, samples: np.ndarray) -> np.ndarray:
        """The first draws of the given samples that the constraint accepts; shape (samples, dims)."""
        dims = len(self._drawn)
        found = np.empty((len(samples), dims))
        waiting, attempt = np.arange(len(samples)), 0
        while len(waiting):
            if attempt >= ATTEMPTS:
                raise SpaceError(self._hopeless(len(samples) - len(waiting), len(samples)))
            count = min(max(_CANDIDATES // len(waiting), 1), ATTEMPTS - attempt)
            rows = [sequence.redraw(self.seed, dims, int(samples[i]), attempt, attempt + count) for i in waiting]
            accepted = self._accepted(np.concatenate(rows)).reshape(len(waiting), count)
            done, first = accepted.any(axis=1), accepted.argmax(axis=1)
            for i in np.flatnonzero(done):
                found[waiting[i]] = rows[i][first[i]]
            waiting, attempt = waiting[~done], attempt + count
        return found

    def _hopeless(self, done: int, total: int) -> str:
        condition = self.constraint.condition if self.constraint else ""
        return (
            f"constraint: {condition}: {total - done} of {total} samples found no values that meet it in {ATTEMPTS} "
            f"attempts each (acceptance below {1 / ATTEMPTS:g}); widen it or narrow the distributions"
        )


def _check_method(method: str, space: Space, n: int | None, block: int | None, constraint: Any) -> str:
    if method not in METHODS:
        raise SpaceError(f'there is no method "{method}"; {nearest(str(method), METHODS)}')
    sampled = ", ".join(sorted(space.sampled))
    if method == "grid":
        if sampled:
            raise SpaceError(f"a grid takes lists, found distributions: {sampled}; use random, sobol, halton or lhs")
        if constraint is not None:
            raise SpaceError("a grid takes no constraint: point i could not be computed alone; use zip or random")
        if n is not None:
            raise SpaceError(f"a grid takes no n, found {n}: its size is that of its lists")
    elif not sampled:
        raise SpaceError(f"{method} draws from distributions, found none in the space; use grid")
    elif n is None:
        raise SpaceError(f"{method} needs n, the number of samples, found none")
    if block is not None and method != "lhs":
        raise SpaceError(f"block is the length of a hypercube, found it with {method}; use it with lhs")
    return method


def _check_count(name: str, count: Any) -> int:
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
        raise SpaceError(f"found {name} = {count}, expected a whole number, at least 1")
    return int(count)


def _check_seed(seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise SpaceError(f"found seed = {seed}, expected a whole number, at least 0")
    return int(seed)


def _described(distribution: Any) -> list[Any]:
    """Kind and numbers of a distribution, without what follows from them."""
    numbers = [getattr(distribution, part.name) for part in fields(distribution) if part.init]
    return [type(distribution).__name__, *numbers]
