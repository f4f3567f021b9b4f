"""A design: a space put in order, so that point ``i`` is computed alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from hashlib import blake2b
from math import prod
from typing import Any

import numpy as np

from hpcsim.errors import SpaceError, nearest, shown
from hpcsim.space import sequence
from hpcsim.space.constraint import Constraint
from hpcsim.space.identity import point_ids, point_seeds
from hpcsim.space.order import described, ordered
from hpcsim.space.points import Point, Points, column
from hpcsim.space.space import Space

METHODS = ("grid", "random", "sobol", "halton", "lhs")
#: Attempts to replace a draw that a constraint or the bounds of a parameter forbid.
ATTEMPTS = 10_000
_LONGEST = 2**62
#: Rows and candidates that a replacement looks at together: enough for numpy, little for memory.
_ROWS, _CANDIDATES = 256, 16_384


class Design:
    """A space put in order.

    The replicate runs fastest, then the axes of the grid, then the sample. Axes stand in the order of their names (the
    last one runs fastest) and values in ascending order, however the space was written. Point ``i`` depends on ``i``
    alone: nothing is listed, nothing is kept.

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
        A sample that violates it is replaced by independent random draws until one does not, and so is one outside
        the bounds of its parameters. It sees drawn and fixed parameters.
    block : int, optional
        Points in one Latin hypercube; `n` by default. A hypercube cannot grow: a longer design keeps the points
        that it has when `block` stays at the old `n`.
    model : str
        Name of the model, a part of every id.

    Raises
    ------
    SpaceError
        If the method does not suit the space, or a number makes no sense.
    StudyError
        If hardly anything of a distribution lies within the bounds of its parameter.

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
        # numbers of points follow from the meaning of a space, not from how its file is written or rewritten
        self._axes = ordered(space.axes)
        self._cells = prod(len(axis) for axis in self._axes)
        self._length = self.n * self._cells * self.replicates
        if self._length > _LONGEST:
            raise SpaceError(f"found {shown(self._length)} points, expected at most 2**62; make the grid or n smaller")
        if method == "sobol" and self.n > 2**sequence.SOBOL_BITS:
            raise SpaceError(f"found n = {self.n}, a Sobol sequence has 2**{sequence.SOBOL_BITS} points; use random")
        # streams belong to names in sorted order, so that the order of the file does not matter
        self._drawn = sorted(space.sampled)
        self._check_constraint()
        # a distribution of which the bounds leave nothing is a mistake of the space
        self._cut = space.cut

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
        return self._digest([axis.described() for axis in self._axes])

    @property
    def extent(self) -> list[str | int]:
        """What tells this design with all its points from others."""
        return [self.digest]

    @cached_property
    def earlier_digest(self) -> str:
        """The digest that hpcsim gave when axes stood in the order of the file: directories may carry it."""
        axes = [[[name, described(values)] for name, values in axis.lists.items()] for axis in self.space.axes]
        return self._digest(axes)

    def _digest(self, axes: list[Any]) -> str:
        space = self.space
        text = {
            "format": "hpcsim-design-1",
            "model": self.model,
            "fixed": dict(space.fixed),
            "axes": axes,
            "sampled": {name: described(distribution) for name, distribution in space.sampled.items()},
            "sequence": [self.method, self.n, self.seed, self.replicates],
            "hypercube": self.hypercube if self.method == "lhs" else None,
            "constraint": self._constraint_text(),
        }
        if self._cut:
            text["bounds"] = {name: described(rest) for name, rest in self._cut.items()}
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
            raise SpaceError(f"constraint: {', '.join(sorted(listed))} is in the grid; expected drawn and fixed parameters alone")
        numbers = {p.name for p in self.space.parameters if isinstance(p.default, (int, float))} - grid
        self.constraint.check(numbers)

    def _columns(self, start: int, stop: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Values of all parameters, a column each, and the replicates."""
        if not 0 <= start <= stop <= self._length:
            raise SpaceError(f"found points {start} to {stop}, expected 0 to {self._length}")
        rest, replicates = np.divmod(np.arange(start, stop, dtype=np.int64), self.replicates)
        sample, cell = np.divmod(rest, self._cells)
        columns: dict[str, np.ndarray] = {}
        for axis in reversed(self._axes):
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
        if self.constraint is not None or self._cut:
            rejected = np.flatnonzero(~self._accepted(uniform))
            for rows in np.split(rejected, range(_ROWS, len(rejected), _ROWS)):
                uniform[rows] = self._replaced(start + rows)
        return self._transformed(uniform)

    def _transformed(self, uniform: np.ndarray) -> dict[str, np.ndarray]:
        drawn = enumerate(self._drawn)
        return {name: self.space.sampled[name].quantile(np.ascontiguousarray(uniform[:, i])) for i, name in drawn}

    def _accepted(self, uniform: np.ndarray) -> np.ndarray:
        drawn = self._transformed(uniform)
        accepted = np.ones(len(uniform), bool)
        for name, rest in self._cut.items():
            accepted &= (drawn[name] >= rest.low) & (drawn[name] <= rest.high)
        return accepted if self.constraint is None else accepted & self.constraint({**self._fixed(len(uniform)), **drawn})

    def _replaced(self, samples: np.ndarray) -> np.ndarray:
        """The first draws of the given samples that bounds and constraint accept; shape (samples, dims)."""
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
        condition = f"constraint: {shown(self.constraint.condition)}" if self.constraint else ""
        bounds = f"bounds of {', '.join(self._cut)}" if self._cut else ""
        return (
            f"{', '.join(filter(None, [condition, bounds]))}: {total - done} of {total} samples found no values that meet "
            f"{'them' if bounds else 'it'} in {ATTEMPTS} attempts each (acceptance below {1 / ATTEMPTS:g}); "
            f"{'widen it or ' if condition else ''}narrow the distributions"
        )


def _check_method(method: str, space: Space, n: int | None, block: int | None, constraint: object) -> str:
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


def _check_count(name: str, count: object) -> int:
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
        raise SpaceError(f"found {name} = {shown(count)}, expected a whole number, at least 1")
    return int(count)


def _check_seed(seed: object) -> int:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise SpaceError(f"found seed = {shown(seed)}, expected a whole number, at least 0")
    return int(seed)
