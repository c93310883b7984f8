"""Classifiers, splitting, checkpoints."""
