"""Damaged input for `benchmarks.fuzz`."""
