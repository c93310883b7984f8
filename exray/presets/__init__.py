"""Components by configuration."""

from exray.presets.conf import conf_folder

__all__ = ["conf_folder"]
