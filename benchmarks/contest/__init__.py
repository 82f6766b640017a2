"""The contest of searchers: problems, rival searchers, results and report."""
