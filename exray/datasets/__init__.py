"""Where classifiers come from: single files, zoos, TrojAI rounds."""
