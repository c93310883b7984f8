"""TrojAI rounds in NIST's layout."""
