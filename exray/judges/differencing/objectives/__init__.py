"""Losses of the mask optimisation."""
