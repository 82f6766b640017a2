"""Damaged input for the fuzzing benchmark."""
