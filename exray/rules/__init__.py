"""Decision rules over measurements, and the verdict of a classifier."""
