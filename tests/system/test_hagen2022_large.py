"""The acceptance figures of the prediction at 512 + 64 neurons with published in-degrees; five minutes on one core."""

from __future__ import annotations

import numpy as np
import pytest

import hpcsim

NETWORK = {"N_E": 512, "N_I": 64, **{f"C_{suffix}": 0.8 for suffix in ("EE", "EI", "IE", "II")}}
KEPT = ["rate", "population_size", "V_rest", "spike_counts", "population_lfp", "population_csd", "population_dipole"]


@pytest.mark.slow
def test_kernels_predict_a_network_of_576_neurons(tmp_path):
    """Reference figures of two other networks of this size: dipole 0.92, 0.93; LFP 0.91, 0.92; dipole without leak 0.64, 0.66."""
    network = hpcsim.Study(
        "network",
        "neuron.ball_and_sticks_network",
        fixed={**NETWORK, "tstop": "1500 ms", "transient": "200 ms"},
        outputs={"keep": KEPT},
        seed=1234,
    )
    rates = network.run().outputs["rate"][0].values
    # finite size: 1.1 to 1.4 and 4.1 to 4.2 Hz in the reference, with other seeds
    np.testing.assert_allclose(rates, [1.25, 4.2], rtol=0.25)
    window = {"use": "signals.predict", "network": "study:network", "start": "200 ms", "stop": "1500 ms"}
    compared = [
        {"use": "signals.compare", "of": f"network_{name}", "prediction": f"predicted_{name}"} for name in ("dipole", "lfp")
    ]
    kernels = hpcsim.Study(
        "kernels",
        "neuron.kernel",
        space={"g_eff": [True, False]},
        fixed={**NETWORK, "network": "study:network", "membrane": "frozen", "t_X": "100 ms"},
        stages=[window, *compared],
    )
    found = kernels.run()
    leak = found.parameters["g_eff"].to_numpy(bool)
    dipole, ratio = (found.outputs[f"predicted_dipole_{name}"].values[:, 0] for name in ("r2", "std_ratio"))
    lfp = np.median(found.outputs["predicted_lfp_r2"].values[:, 0], axis=-1)
    # measured 0.914, 1.14 and 0.905 (0.903, 1.15 and 0.896 with another seed); without the effective leak 0.647, 2.74 and 0.624
    assert dipole[leak] >= 0.90 and lfp[leak] >= 0.88 and 0.9 <= ratio[leak] <= 1.3
    assert dipole[~leak] <= dipole[leak] - 0.12 and ratio[~leak] > 2
