"""Scans classifiers: one, or all of a dataset."""
