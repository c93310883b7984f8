"""CIFAR-10 in the layouts in which it is distributed."""
