"""What is known of a study before it runs, so that a method that cannot work is refused before anything is simulated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hpcsim.errors import HpcsimError, Problem, ResultsError, nearest

if TYPE_CHECKING:
    from hpcsim.inference.inputs import Options
    from hpcsim.outputs import Layout


@dataclass(frozen=True)
class Planned:
    """A study that has not run yet.

    Parameters
    ----------
    points : int
        Of its design.
    varied, drawn, parameters : tuple of str
        The parameters with more than one value, those of them that have a prior, and all of the model.
    layout : Layout
        The outputs that are kept.
    units : mapping of str to str
        Of parameters and outputs.
    observations : Path, optional
        The method's table of observations, where it is there already.
    """

    points: int
    varied: tuple[str, ...]
    drawn: tuple[str, ...]
    parameters: tuple[str, ...]
    layout: Layout
    units: Mapping[str, str] = field(default_factory=dict)
    observations: Path | None = None

    def columns(self, outputs: Sequence[str]) -> tuple[str, ...]:
        """Names of the features that some outputs give; those that `problems_of` complains about give none."""
        return tuple(dict.fromkeys(column for name in outputs for column in self._columns(name)))

    def _columns(self, name: str) -> list[str]:
        try:
            return list(self.layout.columns(name).places)
        except ResultsError:
            return []

    def problems_of(self, outputs: Sequence[str], key: str = "of") -> Iterator[Problem]:
        """What is wrong with the outputs that a method takes its features from."""
        usable = self.layout.tabular
        if not outputs:
            yield Problem(key, "it is empty; name the outputs to infer from", f"allowed: {', '.join(usable) or 'none'}")
        for name in outputs:
            try:
                self.layout.columns(name)
            except ResultsError as error:
                message, _, hint = str(error).replace("no output", "no kept output", 1).partition("; ")
                yield Problem(key, message, hint)
        columns = [column for name in dict.fromkeys(outputs) for column in self._columns(name)]
        twice = {name for name in outputs if list(outputs).count(name) > 1} | {c for c in columns if columns.count(c) > 1}
        for name in sorted(twice):
            yield Problem(key, f'"{name}" is there twice', "name it once")

    def problems_of_parameters(self, names: Sequence[str], key: str) -> Iterator[Problem]:
        """What is wrong with the parameters that a method is to infer."""
        for name in names:
            if name not in self.parameters:
                yield Problem(key, f'the model has no parameter "{name}"', nearest(name, self.varied))
            elif name not in self.varied:
                hint = f"the study varies {', '.join(self.varied)}"
                yield Problem(key, f'"{name}" has one value in all points, so there is nothing to infer', hint)

    def problems_of_observations(self, features: Sequence[str], options: Options) -> Iterator[Problem]:
        """What is wrong with the table of observations, where it is there already."""
        from hpcsim.inference.observations import read_observations

        if self.observations is not None:
            try:
                given = options.get("given", ())
                read_observations(self.observations, features, self.units, where=options["where"], given=given)
            except HpcsimError as error:
                yield Problem("observations", str(error))
