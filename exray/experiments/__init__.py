"""Tables and figures of the paper from stored records."""
