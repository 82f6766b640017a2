"""Read-only views of a working directory: status and explanation."""
