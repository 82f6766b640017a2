"""The runners, which train trials in processes or on a cluster."""
