"""Spike-to-signal kernels of a network, without simulating the network."""
