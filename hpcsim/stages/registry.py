"""All stages by name."""

from __future__ import annotations

from hpcsim.errors import ModelError
from hpcsim.registry import Registry
from hpcsim.stages.stage import Stage

STAGES: Registry[Stage] = Registry(
    Stage,
    "stage",
    "hpcsim.stages",
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
        "features.quality": "hpcsim.stages.features.quality:quality",
    },
)


def get_stage(name: str) -> Stage:
    """The stage of that name.

    Raises
    ------
    ModelError
        If there is no such stage, or what it needs is not installed.
    """
    stage = STAGES.get(name)
    if not stage.installed:
        remedy = f"pip install 'hpcsim[{stage.extra}]'" if stage.extra else f"install {stage.engine}"
        raise ModelError(f'the stage "{name}" needs {stage.engine}, which is not installed; {remedy}')
    return stage
