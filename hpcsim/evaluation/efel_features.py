"""Features of a recording by eFEL, under its own names."""

from __future__ import annotations

from functools import cache

import numpy as np

from hpcsim.errors import PluginError
from hpcsim.evaluation.objective import Objective
from hpcsim.evaluation.recording import Recording
from hpcsim.plugin import not_installed

#: mV: what a spike crosses in the soma and in dendrites, as BluePyOpt's L5PC example has them.
THRESHOLDS = {"soma": -20.0, "site": -55.0}


@cache
def available(who: str = "a feature by its name in eFEL") -> frozenset[str]:
    """Names of all features of the installed eFEL, which `who` needs.

    Raises
    ------
    PluginError
        If eFEL is not installed.
    """
    try:
        import efel
    except ImportError:
        raise PluginError(not_installed(who, "efel", "brian2")) from None
    return frozenset(efel.get_feature_names())


def values(objective: Objective, recording: Recording) -> np.ndarray:
    """All finite values of a feature, in eFEL's unit; none where it does not exist."""
    import efel

    place = objective.location
    v = recording.soma if place == "soma" else recording.sites[int(place.removeprefix("site_")) - 1]
    trace = {"T": recording.time, "V": v, "stim_start": [recording.onset], "stim_end": [recording.stop]}
    efel.reset()
    try:
        efel.set_setting("Threshold", THRESHOLDS["soma" if place == "soma" else "site"])
        efel.set_setting("interp_step", float(recording.time[1] - recording.time[0]))
        [found] = efel.get_feature_values([trace], [objective.feature], raise_warnings=False)
    finally:
        efel.reset()
    own = np.asarray(found[objective.feature] if found[objective.feature] is not None else [], float)
    # BluePyOpt compares the mean of the values with the target
    finite = own[np.isfinite(own)]
    return np.array([finite.mean()]) if len(finite) else finite
