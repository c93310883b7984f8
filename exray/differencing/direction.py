"""Which of the method's two directions count: both, or one for the one-sided baselines."""

from typing import Literal

Direction = Literal["both", "victim_to_target", "target_to_victim"]
