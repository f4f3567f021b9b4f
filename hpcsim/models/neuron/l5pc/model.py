"""The layer 5 pyramidal neuron with 35 free parameters, as a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpcsim.data import public as data
from hpcsim.errors import SimulationError
from hpcsim.evaluation.hay import OBJECTIVES
from hpcsim.models.neuron.hay.cell import MECHANISMS
from hpcsim.models.neuron.l5pc import cell
from hpcsim.models.neuron.l5pc.fitted import FittedCell
from hpcsim.models.neuron.l5pc.parameters import EXAMPLE, FREE, SOURCE
from hpcsim.models.neuron.l5pc.protocols import PROTOCOLS
from hpcsim.models.neuron.l5pc.trunk import TUFT
from hpcsim.models.neuron.morphology.file import checksum_of
from hpcsim.space.parameter import Parameter, Value

#: Where the synthetic pyramid is recorded, and its calcium zone: around its bifurcation, as Hay et al. (2011) have them.
_SHAPE: tuple[Parameter, ...] = (
    Parameter("morphology", cell.SYNTHETIC, description="synthetic, a public file, or the path of an .asc, .swc or .hoc file"),
    Parameter("checksum", "", description="sha256:... of a file of your own: results then know which one made them"),
    Parameter("site_1", 620.0, "um", (0, None), (), "where bAP and BAC record, and BAC stimulates, along the trunk", SOURCE),
    Parameter("site_2", 800.0, "um", (0, None), (), "where bAP records, too", SOURCE),
    Parameter("tuft", TUFT, "um", (0, None), (), "the trunk is what leads farther than this from the soma", SOURCE),
    Parameter("zone_start", 685.0, "um", (0, None), (), "begin of the calcium zone", SOURCE),
    Parameter("zone_stop", 885.0, "um", (0, None), (), "end of the calcium zone", SOURCE),
    Parameter("zone_without", (0.0,)[:0], description="sections that do not belong to the zone, by index in the file"),
)


#: um: half the length of the soma of 89_C2, from whose end the In Silico Framework measures the way to its sites.
_HALF_SOMA = 17.099046506984614 / 2
#: The morphology that example model 0 was found on, with its sites and its calcium zone. Sections that
#: branch off below the zone do not belong to it.
_ISF_89_C2: dict[str, Value] = {
    **EXAMPLE,
    "morphology": "isf/89_C2.hoc",
    "site_1": 294.8203371921156 - _HALF_SOMA,
    "site_2": 474.8203371921156 - _HALF_SOMA,
    "zone_start": 384.8203371921156,
    "zone_stop": 584.8203371921156,
    "zone_without": tuple(
        float(index) for index in (*range(23, 30), *range(31, 36), 37, 38, 40, 42, 43, 44, 46, 48, 50, 51, 52, 54, 56, 58, 60)
    ),
}


def _check(values: Mapping[str, Any]) -> str:
    """Why values make no sense together, or nothing."""
    if not values["zone_start"] < values["zone_stop"]:
        return f"zone_start ({values['zone_start']:g} um) is not below zone_stop ({values['zone_stop']:g} um)"
    file = values["morphology"]
    if file == cell.SYNTHETIC or file in data.DATASETS:
        return ""
    if not Path(file).is_absolute():
        return f'morphology is "{file}"; expected "{cell.SYNTHETIC}", {", ".join(cell.PUBLIC)}, or the whole path of a file'
    if not values["checksum"]:
        try:
            return f'the morphology {file} has no checksum; set checksum = "{checksum_of(file)}"'
        except SimulationError as error:
            return str(error)
    return ""


#: The neuron and its protocols, which others may be made of (:func:`dataclasses.replace`).
FITTED = FittedCell(
    "neuron.l5pc",
    cell.cell,
    (*FREE, *_SHAPE),
    tuple(PROTOCOLS.values()),
    OBJECTIVES,
    ("bAP", "BAC"),
    MECHANISMS,
    cell.V_INIT,
    cell.TEMPERATURE,
    _check,
)
l5pc = FITTED.model(
    # 2: the last sample of a trace; runs that have failed are cut short where there are cutoffs
    version="2",
    source=SOURCE,
    presets={"isf_89_C2": _ISF_89_C2},
    description="Layer 5 pyramidal neuron with 35 free parameters under bAP, BAC and steps of current",
)
