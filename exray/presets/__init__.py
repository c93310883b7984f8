"""Components by configuration."""
