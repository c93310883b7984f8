"""Classifiers in folders as model hubs store them, without running anything that they bring."""
