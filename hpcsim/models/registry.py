"""All models by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hpcsim.models.model import Model
from hpcsim.registry import Registry

MODELS: Registry[Model] = Registry(
    Model,
    {
        "brian2.cortical_hh": "hpcsim.models.brian2.cortical_hh:cortical_hh",
        "brian2.current_injection": "hpcsim.models.brian2.current_injection:current_injection",
        "nest.hagen_lif": "hpcsim.models.nest.hagen_lif:hagen_lif",
        "nest.hagen_lif_fast": "hpcsim.models.nest.hagen_lif_fast:hagen_lif_fast",
        "neuron.ball_and_sticks_network": "hpcsim.models.neuron.hagen.ball_and_sticks_network:ball_and_sticks_network",
        "neuron.hybrid": "hpcsim.models.neuron.hagen.hybrid:hybrid",
        "neuron.l5pc": "hpcsim.models.neuron.l5pc.model:l5pc",
        "neuron.l5pc_segments": "hpcsim.models.neuron.l5pc.segments_model:l5pc_segments",
        "neuron.kernel": "hpcsim.models.neuron.kernels.kernel:kernel",
    },
)


def get_model(name: str, folders: Sequence[Path] | None = None, *, installed: bool = True) -> Model:
    """The model of that name.

    Parameters
    ----------
    name : str
        A built-in name, an entry point of the group ``hpcsim.models``, or ``package.module:name``.
    folders : sequence of Path, optional
        Where modules of the user's own are looked for; the current folder by default.
    installed : bool
        Also check that its engine can be imported.

    Raises
    ------
    PluginError
        If there is no such model, or its engine is not installed.
    """
    return MODELS.get(name, folders, installed=installed)
