"""A budget: how much a search may cost, and how many accepted points are enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from hpcsim.errors import Problem, StudyError


@dataclass(frozen=True)
class Spent:
    """What a search has cost and found so far.

    Parameters
    ----------
    evaluations : int
        Points that were suggested, whether or not they are back.
    cpu_hours, wall_hours : float
        Of all points that are back; of all processes that drove the search.
    accepted : int
        Points that passed all cutoffs.
    """

    evaluations: int = 0
    cpu_hours: float = 0.0
    wall_hours: float = 0.0
    accepted: int = 0


@dataclass(frozen=True)
class Budget:
    """Where a search ends; the first limit that is reached counts, and no point is begun after it.

    It is no part of a search's identity: raise it, and the search goes on.

    Parameters
    ----------
    evaluations : int, optional
        Points, exactly.
    cpu_hours, wall_hours : float, optional
        Points that run when one is reached are still awaited.
    accepted : int, optional
        Points that pass all cutoffs.

    Raises
    ------
    StudyError
        If a limit is not above 0, or there is none.

    Examples
    --------
    >>> budget = Budget(evaluations=100, accepted=3)
    >>> budget.room(Spent(evaluations=90)), budget.reached(Spent(accepted=3))
    (10, '3 accepted points, as wanted')
    """

    evaluations: int | None = None
    cpu_hours: float | None = None
    wall_hours: float | None = None
    accepted: int | None = None

    def __post_init__(self) -> None:
        limits = {item.name: getattr(self, item.name) for item in fields(self)}
        problems = [
            Problem(f"sampler.{name}", f"found {limit}, expected a number above 0")
            for name, limit in limits.items()
            if limit is not None and not (np.isfinite(limit) and limit > 0)
        ]
        if all(limit is None for limit in limits.values()):
            hint = f"give at least one of {', '.join(limits)}"
            problems.append(Problem("sampler.evaluations", "there is no budget, and a search would never end", hint))
        if problems:
            raise StudyError(problems, "sampler")

    def __str__(self) -> str:
        words = {
            "evaluations": "at most {:,} points",
            "cpu_hours": "at most {:g} CPU hours",
            "wall_hours": "at most {:g} hours",
            "accepted": "until {:,} are accepted",
        }
        limits = {name: getattr(self, name) for name in words}
        return ", ".join(words[name].format(limit) for name, limit in limits.items() if limit is not None)

    def check(self, cutoffs: Mapping[str, float]) -> None:
        """Look whether anything says which points are accepted, where they are counted.

        Raises
        ------
        StudyError
            If not.
        """
        if self.accepted is not None and not cutoffs:
            problem = Problem("sampler.accepted", "nothing says which points are accepted", "give cutoffs")
            raise StudyError([problem], "sampler")

    def room(self, spent: Spent) -> int:
        """How many points may still be begun, as far as is known."""
        if self.reached(spent):
            return 0
        return 2**31 if self.evaluations is None else self.evaluations - spent.evaluations

    def reached(self, spent: Spent) -> str:
        """Which limit has been reached, in words; nothing where none has."""
        if self.accepted is not None and spent.accepted >= self.accepted:
            return f"{spent.accepted} accepted points, as wanted"
        if self.evaluations is not None and spent.evaluations >= self.evaluations:
            return f"the budget of {self.evaluations:,} evaluations is used up"
        if self.cpu_hours is not None and spent.cpu_hours >= self.cpu_hours:
            return f"the budget of {self.cpu_hours:g} CPU hours is used up"
        if self.wall_hours is not None and spent.wall_hours >= self.wall_hours:
            return f"the budget of {self.wall_hours:g} hours is used up"
        return ""
