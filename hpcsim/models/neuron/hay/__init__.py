"""The layer 5b pyramidal neuron of Hay et al. (2011)."""
