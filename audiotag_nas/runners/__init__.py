"""Runners: where trials are trained."""
