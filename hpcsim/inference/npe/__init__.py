"""Neural posterior estimation: posteriors, their networks, and what they say of observations."""
