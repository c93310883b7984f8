"""Records, the result store, collection and metrics. Imports no torch."""
