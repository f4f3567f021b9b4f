"""The shipped study of generalized linear models, at its smallest scale."""

from __future__ import annotations

import numpy as np
import pytest

import hpcsim

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    study = hpcsim.Study.load("glm_current_injection", scale="ci")
    with study.run("inline", tmp_path_factory.mktemp("glm")) as found:
        yield found


def test_history_beats_the_instantaneous_current_on_held_out_data(results):
    """In at least 90 % of the cells that fire, as the tutorial shows for one; both gains in bits per spike."""
    fires = np.asarray(results.outputs["glm_silent"]) == 0
    held_out = np.asarray(results.outputs["glm_bits_per_spike"])[fires, :, 1]
    assert fires.sum() >= 18
    assert (held_out[:, 2] > held_out[:, 0]).mean() >= 0.9
    assert np.median(held_out[:, 2]) > 1.5


def test_every_cell_has_a_row_and_flags_say_what_it_is(results):
    assert len(results.outputs["glm_silent"]) == 24 and (np.asarray(results.records["status"]) == "ok").all()
    silent = np.asarray(results.outputs["glm_silent"]) == 1
    assert np.isfinite(np.asarray(results.outputs["glm_coef"])[~silent]).all()
    assert np.isnan(np.asarray(results.outputs["glm_coef"])[silent]).all()
    assert (np.asarray(results.outputs["glm_valid"]) == ~silent).all()


def test_repeats_of_a_frozen_noise_tell_how_much_can_be_predicted(results):
    fires = np.asarray(results.outputs["glm_n_spikes"])[:, 1] > 20
    assert (np.asarray(results.outputs["glm_noise_ceiling"])[fires] > 0.7).all()


def test_fitted_models_fire_as_their_cells(results):
    fires = np.asarray(results.outputs["glm_silent"]) == 0
    assert np.median(np.abs(np.asarray(results.outputs["glm_rate_error"])[fires, 2])) < 0.2
    assert np.mean(np.asarray(results.outputs["glm_runaways"])[fires, 2]) < 0.05
