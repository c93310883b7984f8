"""Pickle programs, followed without running them."""
