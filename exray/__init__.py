"""EX-RAY: tells natural triggers of image classifiers from injected ones."""
