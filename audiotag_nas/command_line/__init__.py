"""The frame of every command: flags, overrides, errors, exit statuses."""
