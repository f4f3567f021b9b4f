"""The stage features.glm on cells with a known model, on cells that cannot be fitted, and on input that makes no sense."""

from __future__ import annotations

import numpy as np
import pytest
from glm_toys import CURRENT_FILTER, HISTORY_FILTER, PAST, WINDOW, N, batch, layout, noise, run, spikes, stimulus

from hpcsim.errors import ResultsError
from hpcsim.stages.features.glm.epochs import Piece, alike, find_epochs, split
from hpcsim.stages.features.glm.glm import glm


@pytest.fixture(scope="module")
def cells():
    """Two cells that fire, one that does not, and one without a single spike."""
    current, epoch = stimulus()
    counts = [spikes(current, 15, 1), spikes(current, 30, 2), np.zeros(4 * N), np.eye(1, 4 * N, 500)[0]]
    return counts, current, epoch


@pytest.fixture(scope="module")
def found(cells):
    counts, current, epoch = cells
    return run(batch(counts, current, epoch), 4 * N)[0]


def test_it_finds_the_filters_that_made_the_spikes():
    """Within a few standard errors of the rates that they give, from four times the spikes."""
    current = np.concatenate([noise(seed, 40_000) for seed in range(2)])
    epoch = np.repeat([1, 2], 40_000).astype(np.int16)
    result, _ = run(batch([spikes(current, 40, 1)], current, epoch), 80_000, simulations=0)
    got, true = result["glm_current_filter"][0], CURRENT_FILTER
    assert np.corrcoef(got, true)[0, 1] > 0.95
    assert got.sum() == pytest.approx(true.sum(), rel=0.15)
    assert np.abs(result["glm_history_filter"][0, 2:] - HISTORY_FILTER[2:]).max() < 1
    assert result["glm_history_filter"].shape == (1, PAST) and got.shape == (WINDOW,)
    assert np.isfinite(result["glm_se"]).all() and (result["glm_se"] > 0).all()


def test_each_filter_predicts_better_than_the_model_without(found):
    for name in ("log_likelihood", "bits_per_spike", "mcfadden", "cohen"):
        held = found[f"glm_{name}"][:2, :, 1]
        assert (np.diff(held, axis=1) > 0).all(), name
    assert (found["glm_ks_p"][:2, 2] > 0.01).all() and (found["glm_ks_p"][:2, 0] < 0.01).all()
    assert found["glm_valid"].tolist() == [1, 1, 0, 0]


def test_the_simulated_model_has_the_rate_of_the_cell(found):
    assert np.abs(found["glm_rate_error"][:2, 2]).max() < 0.25
    assert (found["glm_runaways"][:2] == 0).all()
    # two repeats of one noise are held out, as the last epoch's stimulus
    assert ((found["glm_noise_ceiling"][:2] > 0.2) & (found["glm_noise_ceiling"][:2] <= 1)).all()
    assert (found["glm_correlation"][:2, 2] > 0.3).all()


def test_silent_cells_are_rows_with_a_flag(found):
    assert found["glm_silent"].tolist() == [0, 0, 1, 1]
    assert found["glm_n_spikes"][3].tolist() == [1, 0]
    assert np.isnan(found["glm_coef"][2:]).all() and np.isnan(found["glm_bits_per_spike"][2:]).all()
    assert found["glm_converged"][2:].tolist() == [[0] * 3] * 2


def test_a_cell_does_not_depend_on_its_company(cells, found):
    counts, current, epoch = cells
    alone, _ = run(batch(counts[1:2], current, epoch), 4 * N)
    for name, values in alone.items():
        np.testing.assert_array_equal(values[0], found[name][1])


def test_held_out_epochs_are_whole_and_never_seen(cells, found):
    """Other spikes in held-out epochs, or in the history at the begin of an epoch, leave the fit as it is."""
    counts, current, epoch = cells
    other = counts[0].copy()
    other[2 * N :] = counts[1][2 * N :]
    changed, _ = run(batch([other], current, epoch), 4 * N)
    np.testing.assert_array_equal(changed["glm_coef"][0], found["glm_coef"][0])
    np.testing.assert_array_equal(changed["glm_bits_per_spike"][0, :, 0], found["glm_bits_per_spike"][0, :, 0])
    assert (changed["glm_bits_per_spike"][0, :, 1] != found["glm_bits_per_spike"][0, :, 1]).all()
    assert found["glm_n_spikes"][0].sum() == sum(counts[0][k * N + WINDOW : (k + 1) * N].sum() for k in range(4))
    chosen, _ = run(batch(counts[:1], current, epoch), 4 * N, test=(1.0, 2.0))
    assert chosen["glm_n_spikes"][0].tolist() == found["glm_n_spikes"][0, ::-1].tolist()


def test_a_record_without_epochs_is_cut_once(cells):
    counts, current, epoch = cells
    cut, _ = run(batch(counts[:1], current, epoch), 4 * N, epochs="", train_share=0.75)
    assert cut["glm_n_spikes"][0].tolist() == [counts[0][WINDOW : 3 * N].sum(), counts[0][3 * N + WINDOW :].sum()]
    assert np.isnan(cut["glm_noise_ceiling"][0])


def test_bins_may_be_wider_than_the_samples(cells, found):
    """A current of two samples a millisecond, with the mean of which the bins were made."""
    counts, current, epoch = cells
    data = batch(counts[:1], np.repeat(current, 2) + np.tile([5.0, -5.0], 4 * N), np.repeat(epoch, 2))
    data["spike_times"] = batch(counts[:1], current, epoch)["spike_times"]
    finer, _ = run(data, 8 * N, step=0.5)
    np.testing.assert_allclose(finer["glm_coef"][0], found["glm_coef"][0], rtol=1e-6)


def test_blocked_membranes_are_told_by_the_voltage(cells):
    counts, current, epoch = cells
    data = batch(counts[:2], current, epoch)
    assert run(data, 4 * N, models=("instantaneous",))[0]["glm_blocked"].tolist() == [-1, -1]
    data["v"][0, 100:190] = data["v"][1, 100:201] = -20.0
    assert run(data, 4 * N, models=("instantaneous",), voltage="v")[0]["glm_blocked"].tolist() == [0, 1]


def test_repeats_of_a_noise_are_one_place_for_cross_validation():
    current, epoch = stimulus()
    epochs = find_epochs("", epoch)
    whole = split("", epochs, current, (4.0,), WINDOW)
    n = N - WINDOW
    assert whole.pieces(current) == [Piece(0, n, 0), Piece(n, 2 * n, 0), Piece(2 * n, 3 * n, n)]
    assert [other.number for other in alike(epochs, current, epochs[3])] == [3, 4]


def test_cross_validation_chooses_among_ridges(cells):
    counts, current, epoch = cells
    chosen, _ = run(batch(counts[:1], current, epoch), 4 * N, ridge=(1e-4, 1e3), simulations=0)
    np.testing.assert_array_equal(chosen["glm_ridge"], 1e-4)


def test_spikes_that_never_follow_each_other_are_separated(found):
    assert found["glm_separated"][0].tolist() == [0, 0, 1]
    assert found["glm_converged"][0].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data["current"].__setitem__((0, 5), np.nan), "1 of 24000 samples of the current are not finite"),
        (lambda data: data["current"][:, : 2 * N].fill(100.0), "the current is 100 pA in all bins"),
        (lambda data: data["spike_times"].__setitem__(0, np.array([24_001.0])), "1 of 1 spikes, the first at 24001 ms"),
        (lambda data: data["epoch"].fill(0), "no bin belongs to an epoch"),
        (lambda data: data["epoch"].fill(1), "no bins are left to train"),
        (lambda data: data["epoch"].__setitem__((0, slice(100, 200)), 7), "come twice"),
    ],
)
def test_a_record_that_makes_no_sense_is_refused(cells, change, words):
    counts, current, epoch = cells
    data = batch(counts[:1], current, epoch)
    change(data)
    with pytest.raises(ResultsError, match=words):
        run(data, 4 * N)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bin": 0.3}, "a multiple of the step of the current, 1 ms"),
        ({"bin": 100.0}, "window is 60 ms; expected at least two bins of 100 ms"),
        ({"window": 1e6}, "at most half of the record"),
        ({"models": ("currents",)}, 'no model "currents"; did you mean "current"'),
        ({"models": ()}, "expected one or more of"),
        ({"ridge": ()}, "ridge is empty"),
        ({"of": "spikes"}, 'no output "spikes"'),
        ({"of": "v"}, "expected ragged spike times"),
        ({"current": "v"}, 'v is in "mV"; expected "pA"'),
        ({"test": (9.0,)}, r"test names the epochs \[9.0\]"),
    ],
)
def test_options_that_make_no_sense_are_refused(cells, options, words):
    counts, current, epoch = cells
    with pytest.raises(ResultsError, match=words):
        run(batch(counts[:1], current, epoch), 4 * N, **options)


def test_units_are_read():
    from hpcsim.outputs import Layout, Output

    options = {option.name: option.default for option in glm.options}
    outputs = {**layout(4 * N).outputs, "current": Output("current", ("time_bin",), "nA")}
    with pytest.raises(ResultsError, match='current is in "nA"; expected "pA"'):
        glm.declare(options, Layout.of(outputs.values(), layout(4 * N).coordinates))
