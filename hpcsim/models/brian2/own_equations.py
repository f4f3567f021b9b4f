"""The compiled program of users' own equations: what `equations` is for the cortical cell.

``python -m hpcsim.models.brian2.own_equations FOLDER FLAGS...`` compiles what the folder's source says.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hpcsim.models.brian2 import standalone
from hpcsim.models.brian2.equations import build_program, program_text

#: What the program adds to the equations of a cell.
INJECTED = """
I_injected = noise_at(t_in_timesteps)*amp : amp (constant over dt)
sd_noise : amp (constant)
seed_low : integer (constant)
seed_high : integer (constant)
injected : integer (shared, constant)
time_step : second (shared, constant)
steps : integer (shared, constant)
"""


@dataclass(frozen=True)
class CellEquations:
    """Equations of a one-compartment cell in Brian2, integrated by exponential Euler.

    Parameters
    ----------
    text : str
        Differential equations and subexpressions; parameters as ``name : unit (constant)``, a value for every cell, neither
        shared nor integer nor boolean. ``I_injected`` (amp) is the injected current, which enters as the user wants.
        ``linoid(x, exp(-x))`` is x/(1 - exp(-x)) with its limit at 0.
    initial : mapping of str to str
        Expressions of the initial values, in this order, from parameters, earlier ones and subexpressions of these. Variables
        without one are 0; so is the injected current here.
    voltage : str
        The membrane potential.
    """

    text: str
    initial: Mapping[str, str] = field(default_factory=dict)
    voltage: str = "v"

    @property
    def source(self) -> str:
        """All text that decides about the values; its first line is this object."""
        return "\n".join([json.dumps(asdict(self)), INJECTED, *program_text()])

    def program(self, cache: Path) -> Path:
        """Folder of the compiled program, made unless it is there.

        Raises
        ------
        SimulationError
            If Brian2 does not understand the equations, or they do not compile.
        """
        return standalone.program("hpcsim.models.brian2.own_equations", self.source, cache)


def build(folder: Path, flags: list[str]) -> None:
    """Write and compile the program whose source is in the folder."""
    first, _, _ = (folder / standalone.SOURCE).read_text(encoding="utf-8").partition("\n")
    cell = CellEquations(**json.loads(first))
    build_program(folder, flags, cell.text + INJECTED, cell.initial, cell.voltage)


def _cause(error: BaseException) -> BaseException:
    """The first of errors that follow from each other: Brian2's last says only that there was one."""
    before = error.__cause__ or error.__context__
    return error if before is None else _cause(before)


if __name__ == "__main__":
    try:
        build(Path(sys.argv[1]), sys.argv[2:])
    except Exception as error:
        first = _cause(error)
        sys.exit(f"Brian2 cannot use these equations: {type(first).__name__}: {first}")
