"""The searchers' contest: problems, rival searchers, runs and the report."""
