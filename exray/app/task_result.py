"""What a task returns: lines for stdout and an exit status."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """What a task returns.

    Args:
        lines: For stdout.
        status: The exit status of the process.
        mistake: A line for stderr; empty where there is none.
        cell: The cell of the sweep; empty for a single run.
        objective: What a search over configurations maximises: the balanced accuracy of a scan;
            None where there is none.
    """

    lines: tuple[str, ...]
    status: int
    mistake: str = ""
    cell: str = ""
    objective: float | None = None

    def __float__(self) -> float:
        """The objective, as Hydra's sweepers ask for it."""
        if self.mistake:
            raise ValueError(self.mistake)
        if self.objective is None or math.isnan(self.objective):
            raise ValueError(
                "nothing to choose by: task=scan must see trojaned and clean models of known truth"
            )
        return self.objective
