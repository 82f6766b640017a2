"""Replays searches with early stopping, and reports its cost and benefit."""
