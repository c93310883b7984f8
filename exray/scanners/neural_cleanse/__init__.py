"""Neural Cleanse (Wang et al. 2019)."""
