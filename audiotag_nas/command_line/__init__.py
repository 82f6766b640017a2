"""Code that all commands share: flags, overrides, errors, exit statuses."""
