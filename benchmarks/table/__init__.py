"""The table of recorded trainings."""
