"""SRI's Trinity."""
