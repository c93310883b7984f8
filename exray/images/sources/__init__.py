"""Where the images of zoos come from."""
