"""The trigger inversion that scanners share."""
