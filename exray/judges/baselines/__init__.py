"""Other judges to compare with."""
