"""How well each reward ranks networks: measurement and report."""
