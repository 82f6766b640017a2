"""Programs that measure the package; see `benchmarks/README.md`."""
