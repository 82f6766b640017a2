"""Where trials run: in this process, worker processes, a Ray cluster."""
