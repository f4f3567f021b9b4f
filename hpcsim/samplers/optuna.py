"""Optuna's samplers, by ask and tell."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from copy import copy
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np

from hpcsim.errors import StudyError
from hpcsim.samplers.plugin import sampler
from hpcsim.samplers.problem import SearchProblem
from hpcsim.samplers.sampler import Sampler
from hpcsim.space.parameter import Parameter

#: How often it is asked again for a point that the constraint allows.
_ATTEMPTS = 1000
_KINDS = {"tpe": "TPESampler", "nsga2": "NSGAIISampler", "nsga3": "NSGAIIISampler", "random": "RandomSampler"}


@cache
def _trial_kind() -> Any:
    """A finished trial that nobody changes: Optuna's copy of it need not be deep, which is most of the time to resume."""
    from optuna.trial import FrozenTrial

    def copied(trial: Any, memo: object) -> Any:
        return copy(trial)

    return type("ToldTrial", (FrozenTrial,), {"__deepcopy__": copied})


@sampler(
    "optuna",
    options=[
        Parameter("kind", "tpe", choices=tuple(_KINDS), description="tree of Parzen estimators, an evolution, or draws"),
        Parameter("population", 50, bounds=(2, None), description="of the evolutions"),
    ],
    engine="optuna",
    extra="samplers",
    requires=("optuna",),
)
class Optuna(Sampler):
    """Optuna's samplers; each suggestion draws from a generator of its own, so there is none to store.

    Akiba et al. 2019, doi:10.1145/3292500.3330701. Those of its samplers are here that keep all they know in finished trials.
    """

    def __init__(
        self,
        problem: SearchProblem,
        seed: int = 0,
        start: Sequence[Mapping[str, Any]] = (),
        *,
        kind: str = "tpe",
        population: int = 50,
    ) -> None:
        super().__init__(problem, seed, start)
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.kind, self.population = kind, population
        # the evolutions note in each trial which generation it belongs to
        self.stateless = kind in ("tpe", "random")
        # one object: Optuna copies a trial with all that it holds, and this once instead of for each name
        self._space = dict.fromkeys(problem.names, optuna.distributions.FloatDistribution(0.0, 1.0))
        self._study = optuna.create_study(directions=["minimize"] * len(problem.objectives), sampler=self._sampler(0))
        self._attributes: dict[int, dict[str, Any]] = {}

    def _propose(self, n: int, first: int) -> np.ndarray:
        import optuna

        rows = []
        for number in range(first, first + n):
            self._study.sampler = self._sampler(number)
            trial = self._asked()
            rows.append([trial.params[name] for name in self.problem.names])
            self._attributes[number] = dict(self._study.get_trials(deepcopy=False)[trial.number].system_attrs)
            # what is told later is another trial, whose values are those that were simulated, to the last digit
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return np.array(rows)

    def _asked(self) -> Any:
        """The first trial that the constraint allows; others are told to have failed."""
        import optuna

        for _ in range(_ATTEMPTS):
            trial = self._study.ask(self._space)
            if self.allowed(np.array([[trial.params[name] for name in self.problem.names]]))[0]:
                return trial
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        raise StudyError([self._forbidden(_ATTEMPTS)], "sampler")

    def _learn(self, number: int | None, position: np.ndarray, objectives: np.ndarray) -> None:
        import optuna

        if not np.isfinite(objectives).all():
            return
        now = datetime.now()
        # which create_trial would check twice: add_trial does it
        trial = _trial_kind()(
            number=-1,
            trial_id=-1,
            state=optuna.trial.TrialState.COMPLETE,
            value=None,
            values=objectives.tolist(),
            datetime_start=now,
            datetime_complete=now,
            params=dict(zip(self.problem.names, np.clip(position, 0, 1).tolist(), strict=True)),
            distributions=self._space,
            user_attrs={},
            system_attrs=self._attributes.pop(number, {}) if number is not None else {},
            intermediate_values={},
        )
        self._study.add_trial(trial)

    def _sampler(self, number: int) -> Any:
        import optuna

        seed = int(np.random.default_rng([self.seed, number]).integers(2**31))
        more = {"population_size": self.population} if self.kind.startswith("nsga") else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return getattr(optuna.samplers, _KINDS[self.kind])(seed=seed, **more)
