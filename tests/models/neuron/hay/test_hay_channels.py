"""The further channels of Hay et al. (2011) against the published equations, and calcium against its analytic solution."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gates import check_continuity, check_relaxation, check_steady_state
from numpy import exp
from published import (
    Ca_HVA_h,
    Ca_HVA_m,
    Ca_LVAst_h,
    Ca_LVAst_m,
    Im_m,
    K_Pst_h,
    K_Pst_m,
    K_Tst_h,
    K_Tst_m,
    Nap_Et2_h,
    Nap_Et2_m,
)  # fmt: skip

from hpcsim import paths as assets
from hpcsim.models.neuron.hay import cell as hay_cell
from hpcsim.models.neuron.nmodl import mechanisms

#: Away from -17, -27, -38 and -64.4 mV, where the published rates are zero over zero.
POTENTIALS = np.array([-150.0, -100.3, -80.0, -70.2, -65.0, -60.1, -59.9, -50.7, -37.0, -20.5, 0.0, 18.7, 40.0])
#: C/mol.
FARADAY = 96485.33212


def SK_E2_z(calcium: float) -> float:
    """Koehler et al. (1996); mM."""
    return 1 / (1 + (0.00043 / calcium) ** 4.8)


GATES: list[tuple[str, str, Callable[[Any], tuple[Any, Any]]]] = [
    ("Nap_Et2", "m", Nap_Et2_m), ("Nap_Et2", "h", Nap_Et2_h), ("K_Pst", "m", K_Pst_m), ("K_Pst", "h", K_Pst_h),
    ("K_Tst", "m", K_Tst_m), ("K_Tst", "h", K_Tst_h), ("Im", "m", Im_m), ("Ca_HVA", "m", Ca_HVA_m), ("Ca_HVA", "h", Ca_HVA_h),
    ("Ca_LVAst", "m", Ca_LVAst_m), ("Ca_LVAst", "h", Ca_LVAst_h),
]  # fmt: skip
NEW = sorted({gate[0] for gate in GATES} | {"SK_E2", "CaDynamics_E2"})


@pytest.fixture
def patch(neuron_cache: Path) -> Iterator[tuple[Any, Any]]:
    """NEURON and a single compartment with all channels, whose calcium stays where it is put."""
    hay_cell.load(neuron_cache)
    with mechanisms.empty_session() as h:
        section = h.Section(name="soma")
        section.L = section.diam = 10
        for mechanism in NEW:
            if mechanism != "CaDynamics_E2":
                section.insert(mechanism)
                setattr(section, f"gbar_{mechanism}", 0)
        section.ena, section.ek = 50, -85
        yield h, section


@pytest.mark.parametrize(("mechanism", "gate", "published"), GATES)
def test_steady_states_and_time_constants(patch: Any, mechanism: str, gate: str, published: Callable):
    """As published, over the whole range; the gate starts in its steady state."""
    check_steady_state(*patch, mechanism, gate, published, POTENTIALS, rel=1e-9)


SINGULAR = [("Nap_Et2", "m", -38.0), ("Nap_Et2", "h", -17.0), ("Nap_Et2", "h", -64.4), ("Ca_HVA", "m", -27.0)]


@pytest.mark.parametrize(("mechanism", "gate", "v"), SINGULAR)
def test_rates_are_continuous_where_they_are_zero_over_zero(patch: Any, mechanism: str, gate: str, v: float):
    """Both sides of a removable singularity agree with its limit."""
    check_continuity(*patch, mechanism, gate, v, rel=1e-7)


def test_slow_potassium_has_no_jump_where_its_formula_changes(patch: Any):
    """At -60 mV the two published branches differ by less than their digits."""
    h, section = patch
    found = []
    for v in (-60.0001, -59.9999):
        h.finitialize(v)
        found.append(section(0.5).K_Pst.m_tau)
    assert found[0] == pytest.approx(found[1], rel=1e-3)


@pytest.mark.parametrize(("mechanism", "gate", "published"), GATES)
def test_gates_relax_with_their_time_constants(patch: Any, mechanism: str, gate: str, published: Callable):
    """After a step under voltage clamp, exponentially from the old steady state to the new one."""
    check_relaxation(*patch, mechanism, gate, published)


@pytest.mark.parametrize("celsius", [6.3, 34.0])
def test_currents_in_the_steady_state(patch: Any, celsius: float):
    """Peak conductance times gates times driving force, one channel after the other; temperature changes nothing."""
    h, section = patch
    h.celsius, v = celsius, -30.0
    section.cai = 4e-4
    # NEURON computes it of the concentrations
    eca = 1e3 * 8.31446 * (celsius + 273.15) / (2 * FARADAY) * np.log(2.0 / 4e-4)
    expected = {
        "Nap_Et2": ("ina", Nap_Et2_m(v)[0] ** 3 * Nap_Et2_h(v)[0] * (v - 50)),
        "K_Pst": ("ik", K_Pst_m(v)[0] ** 2 * K_Pst_h(v)[0] * (v + 85)),
        "K_Tst": ("ik", K_Tst_m(v)[0] ** 4 * K_Tst_h(v)[0] * (v + 85)),
        "Im": ("ik", Im_m(v)[0] * (v + 85)),
        "SK_E2": ("ik", SK_E2_z(4e-4) * (v + 85)),
        "Ca_HVA": ("ica", Ca_HVA_m(v)[0] ** 2 * Ca_HVA_h(v)[0] * (v - eca)),
        "Ca_LVAst": ("ica", Ca_LVAst_m(v)[0] ** 2 * Ca_LVAst_h(v)[0] * (v - eca)),
    }
    for mechanism, (current, density) in expected.items():
        setattr(section, f"gbar_{mechanism}", 0.3)
        h.finitialize(v)
        assert getattr(section(0.5), current) == pytest.approx(0.3 * density, rel=1e-5 if current == "ica" else 1e-9), mechanism
        setattr(section, f"gbar_{mechanism}", 0)


def test_potassium_channel_of_calcium(patch: Any):
    """Half open at 0.43 uM, closed without calcium, and 1 ms behind it."""
    h, section = patch
    for calcium in (5e-5, 1e-4, 4.3e-4, 2e-3, 1.0):
        section.cai = calcium
        h.finitialize(-65)
        assert section(0.5).SK_E2.z == pytest.approx(SK_E2_z(calcium), rel=1e-9)
    for calcium in (0.0, -1e-6):
        section.cai = calcium
        h.finitialize(-65)
        assert section(0.5).SK_E2.z == 0
    section.cai = 4.3e-4
    h.dt = 2.0**-6
    for _ in range(64):
        h.fadvance()
    assert section(0.5).SK_E2.z == pytest.approx(0.5 * (1 - exp(-1)), rel=1e-9)


@pytest.mark.parametrize("variable_step", [False, True])
def test_calcium_follows_a_constant_current(neuron_cache: Path, variable_step: bool):
    """Exponentially to ``cai_min - ica gamma decay / (2 F depth)``, and back; it starts at ``cai_min``.

    The variable step keeps an error of 1e-7 mM a step; ten of them add up to a hundredth of the concentration at rest.
    """
    # time steps of 0.025 ms leave an error of the second order
    allowed = 1e-6 if variable_step else 1e-7
    hay_cell.load(neuron_cache)
    with mechanisms.empty_session() as h:
        section, solver = h.Section(name="soma"), h.CVode()
        section.L = section.diam = 10
        # a channel that is open and steady under voltage clamp gives the constant current
        section.insert("CaDynamics_E2")
        section.insert("Ca_LVAst")
        section.gbar_Ca_LVAst = 0.3
        section.gamma_CaDynamics_E2, section.decay_CaDynamics_E2 = 0.000501, 460.0
        clamp = h.SEClamp(section(0.5))
        clamp.rs, clamp.dur1, clamp.amp1, v = 1e-9, 1e9, -45.0, -45.0
        # the reversal potential shall not follow the concentration: a constant current
        h.ion_style("ca_ion", 3, 1, 0, 0, 0, sec=section)
        section.eca = 120.0
        solver.active(variable_step)
        # after a variable step the section itself may be ahead of the time; what is recorded is of its time
        calcium, time = h.Vector().record(section(0.5)._ref_cai), h.Vector().record(h._ref_t)
        h.dt, longest = 0.025, solver.maxstep()
        solver.maxstep(20)
        try:
            h.finitialize(v)
            assert section.cai == 1e-4
            current = 0.3 * Ca_LVAst_m(v)[0] ** 2 * Ca_LVAst_h(v)[0] * (v - 120)
            # mA/cm2 / (C/mol um) = 1e4 mM/ms
            target = 1e-4 - 1e4 * current * 0.000501 * 460 / (2 * FARADAY * 0.1)
            assert target > 3e-4
            while h.t < 1000 - 0.01:
                h.fadvance()
            solver.re_init()
            found, passed = calcium.as_numpy().copy(), time.as_numpy().copy()
            assert passed[-1] >= 970 and len(found) > 40
            np.testing.assert_allclose(found, target + (1e-4 - target) * exp(-passed / 460), rtol=0, atol=allowed)
            # without a current, back
            section.gbar_Ca_LVAst = 0
            while h.t < 1500 - 0.01:
                h.fadvance()
            later = time.as_numpy() > 1050
            found, passed = calcium.as_numpy()[later], time.as_numpy()[later]
            expected = 1e-4 + (found[0] - 1e-4) * exp(-(passed - passed[0]) / 460)
            assert found[-1] < 0.6 * found[0]
            np.testing.assert_allclose(found, expected, rtol=0, atol=allowed)
        finally:
            solver.active(False)
            solver.maxstep(longest)
        del clamp, section, calcium, time


def test_units_are_consistent():
    """As NEURON's checker of units understands them."""
    checker = shutil.which("modlunit", path=str(Path(sys.executable).parent)) or shutil.which("modlunit")
    assert checker, "modlunit comes with NEURON"
    for name in NEW:
        file = assets.folder("mod") / f"{name}.mod"
        done = subprocess.run([checker, str(file)], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "ERROR" not in done.stdout + done.stderr, (name, done.stdout, done.stderr)
