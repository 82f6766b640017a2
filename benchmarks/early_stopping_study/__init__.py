"""What early stopping saves and costs."""
