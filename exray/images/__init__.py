"""Samples and datasets."""
