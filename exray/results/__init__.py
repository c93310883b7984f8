"""Records of scans, where they are stored, and their collection."""
