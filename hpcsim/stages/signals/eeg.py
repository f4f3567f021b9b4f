"""EEG and MEG of a current dipole, with the head models of LFPykit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.errors import ResultsError, SimulationError
from hpcsim.models.model import Context
from hpcsim.outputs import Batch, Coordinate, Layout, Output
from hpcsim.space.parameter import Parameter
from hpcsim.stages.stage import stage

EEG_HEADS = ("FourSphereVolumeConductor", "InfiniteVolumeConductor", "NYHeadModel")
MEG_HEADS = ("InfiniteHomogeneousVolCondMEG", "SphericallySymmetricVolCondMEG")
#: Vacuum permeability, T m / A (CODATA 2018).
MU_0 = 1.25663706212e-6
#: A field of 1 nA/um is 1e-3 A/m, and 1 T is 1e15 fT.
FEMTOTESLA = MU_0 * 1e-3 * 1e15
#: Electrodes of the New York head (Huang, Parra & Haufe 2016, NeuroImage 140:150-162).
NY_ELECTRODES = 231
HEAD_SOURCE = "Naess et al. (2017) Front Hum Neurosci 11:490"


def _declare(options: Mapping[str, Any], layout: Layout) -> Layout:
    """Add electrodes in front of the time of the dipole."""
    moment = layout[str(options["of"])]
    if moment.ragged or len(moment.dims) != 1:
        raise ResultsError(
            f"signals.eeg: {moment.name} has dimensions {moment.dims}; expected time alone: the moment along an axis"
        )
    if moment.unit != "nA um":
        raise ResultsError(f'signals.eeg: {moment.name} is in "{moment.unit}"; expected a dipole moment in "nA um"')
    _check(options)
    time = moment.dims[0]
    electrodes = Coordinate(np.arange(_n_electrodes(options)))
    if options["head"] in MEG_HEADS:
        output = Output("meg", ("electrode", time), "fT", description="magnetic field along the sensor's radius")
    else:
        output = Output("eeg", ("electrode", time), "mV", description="electric potential at the electrodes")
    return Layout.of([output], {"electrode": electrodes, time: layout.coordinates[time]})


@stage(
    "signals.eeg",
    options=[
        Parameter("of", "dipole", description="current dipole moment"),
        Parameter("head", EEG_HEADS[0], choices=(*EEG_HEADS, *MEG_HEADS), description="head model of LFPykit"),
        Parameter(
            "radii",
            (79000.0, 80000.0, 85000.0, 90000.0),
            "um",
            source=HEAD_SOURCE,
            description="outer radii of brain, cerebrospinal fluid, skull and scalp",
        ),
        Parameter(
            "sigmas",
            (0.3, 1.5, 0.015, 0.3),
            "S/m",
            source=HEAD_SOURCE,
            description="conductivities of these; the infinite conductor takes the first",
        ),
        Parameter("dipole_location", (0.0, 0.0, 78000.0), "um", description="x, y, z from the centre of the head"),
        Parameter("orientation", (0.0, 0.0, 1.0), description="direction of the moment; any length"),
        Parameter("electrodes", (0.0, 0.0, 90000.0), "um", description="x, y, z of one electrode after the other"),
        Parameter("head_file", "", description="file sa_nyhead.mat, for NYHeadModel alone"),
    ],
    declare=_declare,
    engine="lfpykit",
    extra="inference",
    requires=("LFPykit",),
    source="Hagen et al. (2018) Front Neuroinform 12:92; Naess et al. (2021) NeuroImage 225:117467",
)
def eeg(data: Mapping[str, Batch], options: Mapping[str, Any], context: Context) -> dict[str, Batch]:
    """EEG, or MEG, of a current dipole moment in a model of the head.

    Parameters
    ----------
    data : mapping
        The moment that option ``of`` names: shape (n_points, n_time), nA um.
    options : mapping
        As declared. Electrodes of ``FourSphereVolumeConductor`` lie within the outermost sphere and further out
        than the dipole. ``NYHeadModel`` has its own 231 electrodes and orients the dipole along the normal of the
        cortex at the vertex nearest to `dipole_location`.
    context : Context
        Its memo keeps the head model.

    Returns
    -------
    dict of str to ndarray
        ``eeg``, shape (n_points, n_electrode, n_time), mV; or ``meg``, the same shape, fT: the field along the
        line from the centre of the head through the sensor, as a magnetometer measures it.

    Raises
    ------
    SimulationError
        If LFPykit refuses the geometry.
    """
    moment = np.asarray(data[str(options["of"])], dtype=np.float64)
    gains = _memoised(options, context)
    name = "meg" if options["head"] in MEG_HEADS else "eeg"
    return {name: gains[None, :, None] * moment[:, None, :]}


def _memoised(options: Mapping[str, Any], context: Context) -> np.ndarray:
    """Signal of a moment of 1 nA um, shape (n_electrode,), computed once a process."""
    key = ("signals.eeg", *sorted(options.items()))
    if key not in context.memo:
        try:
            with np.errstate(invalid="ignore", divide="ignore"):
                context.memo[key] = _gains(options)
        # LFPykit reports a geometry that it cannot handle in all of these ways
        except (AssertionError, RuntimeError, RuntimeWarning, ValueError, OSError, KeyError) as error:
            raise SimulationError(f"signals.eeg: {options['head']} of LFPykit refuses: {error}") from error
    gains: np.ndarray = context.memo[key]
    if not np.isfinite(gains).all():
        [wrong] = np.nonzero(~np.isfinite(gains))
        raise SimulationError(
            f"signals.eeg: electrode {wrong[0]} (counted from 0) has no finite signal; it lies at the dipole, or in the centre"
        )
    return gains


def _gains(options: Mapping[str, Any]) -> np.ndarray:
    """Signal of a moment of 1 nA um along the orientation, shape (n_electrode,), mV or fT."""
    from lfpykit import eegmegcalc

    head, location, electrodes = options["head"], _vector(options, "dipole_location"), _electrodes(options)
    direction = _vector(options, "orientation") / np.linalg.norm(_vector(options, "orientation"))
    if head == "NYHeadModel":
        return _new_york(eegmegcalc.NYHeadModel(_head_file(options)), location)
    if head in MEG_HEADS:
        field = getattr(eegmegcalc, str(head))(electrodes).get_transformation_matrix(location) @ direction
        outward = electrodes / np.linalg.norm(electrodes, axis=1, keepdims=True)
        return np.asarray(np.sum(field * outward, axis=1) * FEMTOTESLA)
    if head == "InfiniteVolumeConductor":
        conductor = eegmegcalc.InfiniteVolumeConductor(sigma=_numbers(options, "sigmas")[0])
        return np.asarray(conductor.get_transformation_matrix(electrodes - location) @ direction)
    spheres = eegmegcalc.FourSphereVolumeConductor(
        electrodes, radii=_numbers(options, "radii"), sigmas=_numbers(options, "sigmas")
    )
    return np.asarray(spheres.get_transformation_matrix(location) @ direction)


def _new_york(head: Any, location: np.ndarray) -> np.ndarray:
    """Gains of the New York head for a dipole along the normal of the cortex; the head's file is in mm."""
    head.set_dipole_pos(location / 1000)
    normal = np.asarray(head.cortex_normal_vec, dtype=np.float64)
    return np.asarray(head.get_transformation_matrix() @ (normal / np.linalg.norm(normal)))


def _check(options: Mapping[str, Any]) -> None:
    """Find what can be wrong before anything is computed."""
    for name in ("dipole_location", "orientation"):
        if len(_numbers(options, name)) != 3:
            raise ResultsError(f"signals.eeg: {name} is {options[name]}; expected three numbers, x, y and z")
    if not np.linalg.norm(_vector(options, "orientation")):
        raise ResultsError("signals.eeg: orientation is 0, 0, 0; expected a direction, such as 0, 0, 1")
    if options["head"] == "NYHeadModel":
        _head_file(options)
        return
    if not _numbers(options, "electrodes") or len(_numbers(options, "electrodes")) % 3:
        raise ResultsError(
            f"signals.eeg: electrodes holds {len(_numbers(options, 'electrodes'))} numbers; expected x, y and z of one "
            "electrode after the other"
        )
    if options["head"] == "FourSphereVolumeConductor":
        _check_spheres(options)


def _check_spheres(options: Mapping[str, Any]) -> None:
    """Four growing spheres, the dipole in the brain, electrodes further out and not outside the head."""
    radii, sigmas = _numbers(options, "radii"), _numbers(options, "sigmas")
    if len(radii) != 4 or len(sigmas) != 4 or min(sigmas) <= 0 or radii[0] <= 0 or (np.diff(radii) <= 0).any():
        raise ResultsError(f"signals.eeg: radii are {radii} um and sigmas {sigmas} S/m; expected four of each, the radii growing")
    depth = float(np.linalg.norm(_vector(options, "dipole_location")))
    if not 0 < depth < radii[0]:
        raise ResultsError(
            f"signals.eeg: the dipole is {depth:g} um from the centre; it must lie in the brain, within {radii[0]:g} um"
        )
    distances = np.linalg.norm(_electrodes(options), axis=1)
    wrong = [f"{distance:g}" for distance in distances if not depth < distance <= radii[-1]]
    if wrong:
        raise ResultsError(
            f"signals.eeg: electrodes are {', '.join(wrong)} um from the centre; they must be further out than the "
            f"dipole ({depth:g} um) and not outside the head ({radii[-1]:g} um)"
        )


def _head_file(options: Mapping[str, Any]) -> str:
    """File of the New York head; LFPykit would download it without being asked."""
    file = str(options["head_file"])
    if not file or not Path(file).is_file():
        raise ResultsError(
            f'signals.eeg: NYHeadModel needs option head_file = the path of sa_nyhead.mat (found "{file}"); '
            "hpcsim does not download it: get it once (710 MB) from https://www.parralab.org/nyhead/sa_nyhead.mat"
        )
    return file


def _n_electrodes(options: Mapping[str, Any]) -> int:
    return NY_ELECTRODES if options["head"] == "NYHeadModel" else len(_electrodes(options))


def _electrodes(options: Mapping[str, Any]) -> np.ndarray:
    """Positions, shape (n_electrode, 3), um."""
    return np.array(_numbers(options, "electrodes")).reshape(-1, 3)


def _vector(options: Mapping[str, Any], name: str) -> np.ndarray:
    return np.array(_numbers(options, name))


def _numbers(options: Mapping[str, Any], name: str) -> list[float]:
    return list(options[name])
