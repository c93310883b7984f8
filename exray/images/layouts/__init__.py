"""What a place with clean images may look like, and the images of each class there."""
