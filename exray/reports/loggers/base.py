"""The interface of run loggers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from exray.evaluation.metrics import Statistics
from exray.results.collection import Collection
from exray.results.model_scan import ModelScan


class RunLogger(ABC):
    """Logs each model when its scan ends, and the whole run at its end."""

    @abstractmethod
    def log_model(self, scan: ModelScan) -> None:
        """Take note of one model.

        Args:
            scan: Its scan, finished or failed.
        """

    @abstractmethod
    def finish(self, collection: Collection | None) -> None:
        """Close the log. Called once, however the run ended.

        Args:
            collection: The run's records; None if the run broke off before they were collected.
        """

    @abstractmethod
    def finish_comparison(self, ways: Mapping[str, Statistics], *, is_complete: bool) -> None:
        """Show several ways of deciding side by side, and close the log; in place of `finish`.

        Args:
            ways: The figures of each on the same models, by a name that is the same in all logs:
                ``scanner`` for the scanner alone.
            is_complete: Whether every model has a verdict.
        """


class NullLogger(RunLogger):
    """Reports to nowhere: a run's own files are all there is."""

    def log_model(self, scan: ModelScan) -> None:
        """Does nothing."""

    def finish(self, collection: Collection | None) -> None:
        """Does nothing."""

    def finish_comparison(self, ways: Mapping[str, Statistics], *, is_complete: bool) -> None:
        """Does nothing."""
