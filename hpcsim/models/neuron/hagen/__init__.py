"""Networks of two populations as in Hagen et al. (2022), their replays and their kernels."""
