"""The command line of NIST's TrojAI evaluation."""
