"""Networks by name: a file that defines a function of its own name is one of them."""
