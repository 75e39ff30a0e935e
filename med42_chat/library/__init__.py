"""Documents: what a file says."""
