"""Trigger, InvertedTrigger, Judge and Judgement: where scanners, attacks and judges meet."""
