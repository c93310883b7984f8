"""Judges: whether an inverted trigger is natural or injected."""
