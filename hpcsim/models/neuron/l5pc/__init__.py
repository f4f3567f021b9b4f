"""Layer 5 pyramidal neurons that are fitted: free conductances, protocols, and a model of any cell."""
