"""EEG and MEG against closed forms and against LFPykit called directly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hpcsim.errors import ResultsError, SimulationError
from hpcsim.models.model import Context
from hpcsim.outputs import Coordinate, Layout, Output
from hpcsim.stages.signals.eeg import eeg

N_TIME = 200
MOMENT = np.random.default_rng(1).normal(size=(2, N_TIME)).cumsum(axis=1) * 1e4
INSIDE = (0.0, 0.0, 88000.0, 30000.0, 0.0, 80000.0)


def _options(**changes: Any) -> dict[str, Any]:
    return {option.name: option.default for option in eeg.options} | changes


def _layout(**changes: Any) -> Layout:
    output = Output(**{"name": "dipole", "dims": ("time_dipole",), "unit": "nA um"} | changes)
    return Layout.of([output], {"time_dipole": Coordinate(np.arange(N_TIME) * 0.625, "ms")})


def _run(context: Context | None = None, **changes: Any) -> np.ndarray:
    options = _options(**changes)
    layout = eeg.declare(options, _layout())
    ((name, values),) = eeg.apply({"dipole": MOMENT}, options, context or Context()).items()
    assert np.shape(values)[1:] == layout.shape(name)
    return np.asarray(values)


def test_four_spheres_are_those_of_the_library():
    """Every electrode, at the radius of the scalp and within."""
    from lfpykit.eegmegcalc import FourSphereVolumeConductor

    electrodes = np.array(INSIDE).reshape(-1, 3)
    head = FourSphereVolumeConductor(electrodes, [79000.0, 80000.0, 85000.0, 90000.0], [0.3, 1.5, 0.015, 0.3])
    for i in range(2):
        p = np.zeros((3, N_TIME))
        p[2] = MOMENT[i]
        expected = head.get_dipole_potential(p, np.array([0.0, 0.0, 78000.0]))
        np.testing.assert_allclose(_run(electrodes=INSIDE)[i], expected, rtol=1e-9)


def test_default_gain():
    """One electrode above a radial dipole, 1 nA um: a golden number, mV, and the sign that physics asks for."""
    gain = _run()[0, 0] / MOMENT[0]
    np.testing.assert_allclose(gain, gain[0], rtol=1e-12)
    assert gain[0] == pytest.approx(1.0624766901e-09, rel=1e-6)


def test_infinite_conductor_is_the_closed_form():
    """V = p cos(theta) / (4 pi sigma r^2); nA um / (S/m um^2) = mV."""
    found = _run(head="InfiniteVolumeConductor", electrodes=(0.0, 0.0, 79000.0), sigmas=(0.25,))
    np.testing.assert_allclose(found[:, 0], MOMENT / (4 * np.pi * 0.25 * 1000.0**2), rtol=1e-12)


def test_magnetic_field_is_that_of_biot_and_savart():
    """B = mu0 p x r / (4 pi r^3), along the radius of the sensor, for a dipole beside the axis."""
    location, sensor = np.array([10000.0, 0.0, 0.0]), np.array([0.0, 20000.0, 100000.0])
    found = _run(
        head="InfiniteHomogeneousVolCondMEG",
        dipole_location=tuple(location),
        electrodes=tuple(sensor),
        orientation=(0.0, 2.0, 0.0),
    )
    r = (sensor - location) * 1e-6
    p = np.array([0.0, 1.0, 0.0]) * 1e-15
    field = 1.25663706212e-6 * np.cross(p, r) / (4 * np.pi * np.linalg.norm(r) ** 3)
    along = field @ sensor / np.linalg.norm(sensor)
    np.testing.assert_allclose(found[:, 0], MOMENT * along * 1e15, rtol=1e-9)


def test_radial_dipole_is_silent_in_a_spherical_head():
    """A textbook result of MEG; a tangential one is not silent."""
    places: dict[str, Any] = {"head": "SphericallySymmetricVolCondMEG", "electrodes": (20000.0, 30000.0, 100000.0)}
    assert np.abs(_run(**places)).max() == 0
    assert np.abs(_run(**places, orientation=(1.0, 0.0, 0.0))).max() > 0
    layout = eeg.declare(_options(**places), _layout())
    assert (list(layout.outputs), layout["meg"].unit) == (["meg"], "fT")


def test_head_model_is_computed_once(monkeypatch: pytest.MonkeyPatch):
    """The memo holds the gains; other options are another head."""
    context = Context()
    first = _run(context)
    monkeypatch.setattr("hpcsim.stages.signals.eeg._gains", lambda options: np.full(1, 7.0))
    np.testing.assert_array_equal(_run(context), first)
    np.testing.assert_array_equal(_run(context, orientation=(1.0, 0.0, 0.0))[:, 0], 7 * MOMENT)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"electrodes": (0.0, 0.0, 91000.0)}, "not outside the head"),
        ({"electrodes": (0.0, 0.0, 78000.0)}, "further out than the"),
        ({"electrodes": (0.0, 90000.0)}, "electrodes holds 2 numbers"),
        ({"dipole_location": (0.0, 0.0, 79500.0)}, "must lie in the brain"),
        ({"dipole_location": (0.0, 78000.0)}, "expected three numbers"),
        ({"orientation": (0.0, 0.0, 0.0)}, "expected a direction"),
        ({"radii": (79000.0, 80000.0, 90000.0)}, "expected four of each"),
        ({"head": "NYHeadModel"}, "needs option head_file"),
        ({"head": "NYHeadModel", "head_file": "nowhere.mat"}, 'found "nowhere.mat".*does not download'),
    ],
)
def test_wrong_geometry_is_refused_before_anything_runs(changes: dict[str, Any], message: str):
    """When the study is checked."""
    with pytest.raises(ResultsError, match=message):
        eeg.declare(_options(**changes), _layout())


@pytest.mark.parametrize("changes", [{"unit": "mV"}, {"dims": ("time_dipole", "time_dipole")}])
def test_only_a_dipole_moment_has_an_eeg(changes: dict[str, Any]):
    """Neither another unit nor other dimensions."""
    with pytest.raises(ResultsError, match=r"signals\.eeg: dipole"):
        eeg.declare(_options(), _layout(**changes))


def test_what_the_library_refuses_is_reported():
    """A sensor within the dipole's radius, which only the library knows to be wrong."""
    with pytest.raises(SimulationError, match="SphericallySymmetricVolCondMEG of LFPykit refuses"):
        _run(head="SphericallySymmetricVolCondMEG", electrodes=(0.0, 0.0, 1000.0))


@pytest.mark.parametrize("head", ["InfiniteVolumeConductor", "InfiniteHomogeneousVolCondMEG"])
def test_an_electrode_at_the_dipole_or_in_the_centre_has_no_signal(head: str):
    """It was NaN or infinite at all times."""
    place = (0.0, 0.0, 78000.0) if head == "InfiniteVolumeConductor" else (0.0, 0.0, 0.0)
    with pytest.raises(SimulationError, match=r"electrode 1 .* has no finite signal|refuses"):
        _run(head=head, electrodes=(0.0, 0.0, 90000.0, *place))
