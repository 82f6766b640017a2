"""Costs and savings of early stopping: replayed searches and their report."""
