"""Functions that make the damaged inputs of `benchmarks.fuzz`."""
