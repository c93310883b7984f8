"""Trigger inversion: functions from (classifier, clean samples) to triggers."""
