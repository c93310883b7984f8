"""Kinds of triggers that the portfolio looks for: a parametrisation and an objective each."""
