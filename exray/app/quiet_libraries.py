"""Silences advice of libraries that no user of exray can act on. Imports none of them."""

import logging
import os
import warnings


def quiet_libraries() -> None:
    """Sets filters of warnings and levels of logging for this process."""
    os.environ.setdefault("WANDB_SILENT", "true")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", message="The .srun. command is available")  # a login node
