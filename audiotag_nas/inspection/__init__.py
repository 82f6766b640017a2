"""Read-only views of an experiment's working directory."""
