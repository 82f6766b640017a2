"""The command line: flags, config overrides, error lines, terminal."""
