"""The recorded table: all networks of a small space, trained and scored."""
