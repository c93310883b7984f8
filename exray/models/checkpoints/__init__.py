"""Model files of strangers, read without running their code."""
