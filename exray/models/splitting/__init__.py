"""Networks cut in two at a layer."""
