"""Attacks that poison training data."""
