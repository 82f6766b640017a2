"""The contest of searchers."""
