"""What benchmarks share: measuring a command, environments of peers, rounds in turn, ratios, the page of the documentation."""
