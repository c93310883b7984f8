"""Letters and digits drawn from a font."""
