"""Models that NEURON simulates."""
