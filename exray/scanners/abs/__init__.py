"""ABS (Liu et al. 2019)."""
