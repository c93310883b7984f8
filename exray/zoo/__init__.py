"""Trains classifiers and builds zoos of clean and trojaned ones."""
