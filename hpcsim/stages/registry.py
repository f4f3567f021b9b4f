"""All stages by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hpcsim.registry import Registry
from hpcsim.stages.stage import Stage

STAGES: Registry[Stage] = Registry(
    Stage,
    {
        "signals.dipole": "hpcsim.stages.signals.dipole:dipole",
        "signals.compare": "hpcsim.stages.signals.compare:compare",
        "signals.predict": "hpcsim.stages.signals.predict:predict",
        "signals.network": "hpcsim.stages.signals.network:network",
        "signals.kernels": "hpcsim.stages.signals.kernels:kernels",
        "signals.eeg": "hpcsim.stages.signals.eeg:eeg",
        "features.catch22": "hpcsim.stages.features.catch22:catch22",
        "features.efel": "hpcsim.stages.features.efel:efel",
        "features.ephys": "hpcsim.stages.features.ephys:ephys",
        "features.spikes": "hpcsim.stages.features.spikes:spikes",
        "features.spectrum": "hpcsim.stages.features.spectrum:spectrum",
        "features.glm": "hpcsim.stages.features.glm.glm:glm",
        "features.objectives": "hpcsim.stages.features.objectives:objectives",
        "features.quality": "hpcsim.stages.features.quality:quality",
    },
)


def get_stage(name: str, folders: Sequence[Path] | None = None) -> Stage:
    """The stage of that name; modules of the user's own are looked for in `folders`, the current one by default.

    Raises
    ------
    PluginError
        If there is no such stage, or what it needs is not installed.
    """
    return STAGES.get(name, folders, installed=True)
