"""What makes observations of a recording, by the name of the stage that does the same for simulations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcsim.errors import ResultsError, nearest
from hpcsim.recordings.observe import Extract

if TYPE_CHECKING:
    from pandas import DataFrame

STAGES = ("features.ephys", "features.glm")


def extractor(
    use: str,
    amplitude: float | None,
    junction_potential: float,
    definition: str,
    *,
    margin: float = 100.0,
    train: str = "Noise 1",
    test: str = "Noise 2",
    electrode: str = "",
    voltage_unit: str = "",
    current_unit: str = "",
) -> Extract:
    """A function from a file to a table with one row.

    Parameters
    ----------
    use : str
        ``features.ephys`` or ``features.glm``.
    amplitude : float or None, pA
        Of the step, for ``features.ephys``; None for the largest.
    junction_potential : float, mV
    definition : str
        For ``features.ephys``.
    margin : float, ms
        How much of the trace before and after the step is used, for ``features.ephys``.
    train, test : str
        Tags or descriptions of the stimuli, for ``features.glm``.
    electrode : str
        Name of the electrode, where files have sweeps of several cells.
    voltage_unit, current_unit : str
        What the stored numbers are in, where the file's own unit and conversion are wrong.

    Raises
    ------
    ResultsError
        If the stage makes no observations of recordings.
    """
    if use not in STAGES:
        raise ResultsError(f'recordings have no observations of "{use}"; {nearest(use, STAGES)}')

    series: dict[str, Any] = {"electrode": electrode, "voltage_unit": voltage_unit, "current_unit": current_unit}

    def extract(file: Path) -> DataFrame:
        if use == "features.glm":
            from hpcsim.recordings.glm_table import glm_table

            return glm_table([file], train=train, test=test, junction_potential=junction_potential, **series)
        from hpcsim.recordings.nwb import observed_table

        kind: dict[str, Any] = {
            "amplitude": amplitude,
            "junction_potential": junction_potential,
            "definition": definition,
            "margin": margin,
        }
        return observed_table([file], **kind, **series)

    return extract
