"""The searchers' contest, with its problems, other searchers and report."""
