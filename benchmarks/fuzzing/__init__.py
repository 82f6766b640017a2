"""Makes the damaged inputs of `benchmarks.fuzz`."""
