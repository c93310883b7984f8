"""K-Arm (Shen et al. 2021)."""
