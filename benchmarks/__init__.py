"""Measurements of the package: see `benchmarks/README.md`."""
