"""Repair of trojaned classifiers: scan, unlearn, scan again, within a budget of accuracy."""
