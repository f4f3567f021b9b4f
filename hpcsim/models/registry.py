"""All models by name."""

from __future__ import annotations

from hpcsim.errors import ModelError
from hpcsim.models.model import Model
from hpcsim.registry import Registry

MODELS: Registry[Model] = Registry(
    Model,
    "model",
    "hpcsim.models",
    {
        "brian2.cortical_hh": "hpcsim.models.brian2.cortical_hh:cortical_hh",
        "nest.hagen_lif": "hpcsim.models.nest.hagen_lif:hagen_lif",
        "neuron.ball_and_sticks_network": "hpcsim.models.neuron.ball_and_sticks_network:ball_and_sticks_network",
        "neuron.hybrid": "hpcsim.models.neuron.hybrid:hybrid",
        "neuron.kernel": "hpcsim.models.neuron.kernel:kernel",
    },
)


def get_model(name: str, *, installed: bool = True) -> Model:
    """The model of that name.

    Parameters
    ----------
    name : str
        A built-in name, an entry point of the group ``hpcsim.models``, or ``package.module:name``.
    installed : bool
        Also check that its engine can be imported.

    Raises
    ------
    ModelError
        If there is no such model, or its engine is not installed.
    """
    model = MODELS.get(name)
    if installed and not model.installed:
        remedy = f"pip install 'hpcsim[{model.extra}]'" if model.extra else f"install {model.engine}"
        raise ModelError(f'the model "{name}" needs {model.engine}, which is not installed; {remedy}')
    return model
