"""Atomic files, locks and plain JSON."""
