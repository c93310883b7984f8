"""Synthetic traffic signs."""
