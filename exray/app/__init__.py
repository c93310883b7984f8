"""The tasks behind run.py. Only here: Hydra and OmegaConf."""
