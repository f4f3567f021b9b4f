"""The layer 5b pyramidal neuron of Hay et al. (2011) PLOS Comput Biol 7: e1002107, on any morphology.

The parameters are those of their model of both BAC firing and somatic step firing, which Hagen et al. (2022) PLOS Comput Biol
18(9): e1010353 use for the excitatory population. Their reconstructed neuron (ModelDB 139653, morphologies/cell1.asc) has
no licence and is not part of hpcsim; see :func:`reconstructed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from hpcsim.data import public as data
from hpcsim.models.neuron.morphology import file as morphology_file
from hpcsim.models.neuron.morphology.cell import Cell, Membrane
from hpcsim.models.neuron.morphology.distributions import Exponential, Zone
from hpcsim.models.neuron.morphology.synthetic_pyramid import synthetic_pyramid
from hpcsim.models.neuron.morphology.tree import Morphology
from hpcsim.models.neuron.nmodl import mechanisms

MECHANISMS = (
    "CaDynamics_E2", "Ca_HVA", "Ca_LVAst", "Ih", "Im", "K_Pst", "K_Tst", "NaTa_t", "Nap_Et2", "SKv3_1", "SK_E2",
)  # fmt: skip
#: With the current-based synapse of its protocols and of its linear form.
NEEDED = (*MECHANISMS, "Exp2SynI")
#: Public file of the reconstruction.
MORPHOLOGY = "hay2011/cell1.asc"
#: ohm cm.
RA = 100.0
#: mV. That of calcium follows from its concentrations.
REVERSALS: Mapping[str, float] = MappingProxyType({"e_pas": -90.0, "ena": 50.0, "ek": -85.0, "ehcn_Ih": -45.0})
#: C.
TEMPERATURE = 34.0
#: mV: where simulations of this neuron start.
V_INIT = -80.0
#: Rotation about x and y that brings the apical dendrite of the reconstructed neuron along z (Hagen et al. 2022), radians.
ROTATION = (4.729, -3.166)

#: Hay et al. (2011), the model of BAC firing and step firing, which ModelDB 139653 calls L5PCbiophys3.
MEMBRANE: Membrane = MappingProxyType(
    {
        "somatic": {
            "cm": 1.0,
            "g_pas": 3.38e-5,
            "gbar_Ih": 0.0002,
            "gbar_NaTa_t": 2.04,
            "gbar_Nap_Et2": 0.00172,
            "gbar_K_Pst": 0.00223,
            "gbar_K_Tst": 0.0812,
            "gbar_SKv3_1": 0.693,
            "gbar_SK_E2": 0.0441,
            "gbar_Ca_HVA": 0.000992,
            "gbar_Ca_LVAst": 0.00343,
            "gamma_CaDynamics_E2": 0.000501,
            "decay_CaDynamics_E2": 460.0,
        },
        "axonal": {"cm": 1.0, "g_pas": 3.25e-5},
        "basal": {"cm": 2.0, "g_pas": 4.67e-5, "gbar_Ih": 0.0002},
        "apical": {
            "cm": 2.0,
            "g_pas": 5.89e-5,
            "gbar_Ih": Exponential(0.0002, -0.8696, 2.087, 3.6161),
            "gbar_NaTa_t": 0.0213,
            "gbar_SKv3_1": 0.000261,
            "gbar_SK_E2": 0.0012,
            "gbar_Im": 6.75e-5,
            "gbar_Ca_HVA": Zone(0.000555, 0.1 * 0.000555, 685.0, 885.0),
            "gbar_Ca_LVAst": Zone(0.0187, 0.01 * 0.0187, 685.0, 885.0),
            "gamma_CaDynamics_E2": 0.000509,
            "decay_CaDynamics_E2": 122.0,
        },
    }
)

#: mM: calcium at the start of the published model. Its mechanism does not say, and gets NEURON's default, which is below what
#: calcium rests at; it has not decayed when protocols of 0.6 s put their stimuli.
START = 5e-5
#: `MEMBRANE` as the published code starts it.
PUBLISHED: Membrane = MappingProxyType(
    {
        where: {**values, "start_CaDynamics_E2": START} if "decay_CaDynamics_E2" in values else values
        for where, values in MEMBRANE.items()
    }
)


def hay_cell(morphology: Morphology, rule: str = "40_um", membrane: Membrane = MEMBRANE) -> Cell:
    """The neuron on a morphology with an axon, or its stub, cut as published unless another rule of :class:`Cell` is named.

    Calcium starts where it rests, 1e-4 mM, unless the membrane is `PUBLISHED`.

    Raises
    ------
    SimulationError
        If the morphology lacks a section list of the membrane.
    """
    return Cell(morphology, membrane, REVERSALS, RA, rule, far_ends=True)


def synthetic(rule: str = "40_um") -> Cell:
    """The neuron on the shape that hpcsim makes."""
    return hay_cell(synthetic_pyramid().with_axon_stub(), rule)


def reconstructed(path: str | Path = "", checksum: str = "", rule: str = "40_um") -> Cell:
    """The neuron on the reconstructed morphology, its apical dendrite along z.

    Parameters
    ----------
    path : str or Path
        A file of the user; otherwise the public ``hay2011/cell1.asc``.
    checksum : str
        ``sha256:...`` of the file, if the user knows it.
    rule : str
        As of :class:`Cell`.

    Raises
    ------
    ResultsError, StorageError
        If there is no file.
    SimulationError
        If the file is another one or does not load.
    """
    shape = morphology_file.read(path or data.fetch(MORPHOLOGY), checksum)
    return hay_cell(shape.rotated(*ROTATION).with_axon_stub(), rule, PUBLISHED)


def load(cache: Path) -> None:
    """Make what this neuron needs known to NEURON; compile it first if needed.

    Raises
    ------
    SimulationError
        As :func:`hpcsim.models.neuron.nmodl.mechanisms.load`.
    """
    mechanisms.load(NEEDED, cache)
