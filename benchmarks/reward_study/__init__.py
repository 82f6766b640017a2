"""Measures and reports how well each reward ranks networks."""
