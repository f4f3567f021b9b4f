"""Who drives a search: takes in what its points gave, and brings the sampler's next ones to whatever runs them."""
