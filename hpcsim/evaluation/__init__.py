"""How well the traces of a neuron meet their targets: features, objectives in standard deviations, their largest per group."""
