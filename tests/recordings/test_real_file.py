"""A recording that nobody of this project made: a CA1 cell of the Hippocampus Hub, where it can be had."""

from __future__ import annotations

import numpy as np
import pytest

from hpcsim.data.public import fetch
from hpcsim.errors import StorageError
from hpcsim.recordings.nwb import find_sweep, observed_table

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*sampled at 10 kHz:UserWarning")
#: mV: by so much the recording lies too high; the cell then rests at -70.
OFFSET = 55.0


@pytest.fixture(scope="module")
def cell():
    try:
        return fetch("hippocampus_hub/99111002.nwb")
    except StorageError as error:
        pytest.skip(f"the recording is not here, and cannot be fetched: {error}")


def test_its_steps_are_found(cell):
    sweep = find_sweep(cell, None)
    assert (sweep.name, sweep.start, sweep.stop, round(sweep.amplitude)) == ("ic__Step__16", 312, 4312, 1000)
    assert find_sweep(cell, -1000.0).name == "ic__Step__6"


def test_its_action_potentials_are_counted(cell):
    """29 in the last sweep, counted by their crossings of -20 mV; with its offset, noise counts, and that is told."""
    sweep = find_sweep(cell, None)
    up = np.count_nonzero((sweep.v[1:] >= OFFSET - 20) & (sweep.v[:-1] < OFFSET - 20))
    table = observed_table([cell], amplitude=None, junction_potential=OFFSET, margin=31)
    assert round(np.exp(table.loc["99111002", "log_count"]) - 3) == up == 29
    assert -75 < table.loc["99111002", "v_rest"] < -65
    with pytest.warns(UserWarning, match="no neuron rests above -30"):
        observed_table([cell], amplitude=None, junction_potential=0, margin=31)
