"""Symmetric feature differencing, the paper's method."""
