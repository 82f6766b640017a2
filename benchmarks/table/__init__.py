"""The recorded table, with results of all networks of a small search space."""
