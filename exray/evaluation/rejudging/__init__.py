"""Verdicts decided anew from stored measurements."""
