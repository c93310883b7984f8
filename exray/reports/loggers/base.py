"""The interface of run loggers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from exray.results.collection import Collection
from exray.results.records import ScanRecord, TriggerRecord


class RunLogger(ABC):
    """Told of each model as it is done, and of the whole run at its end."""

    @abstractmethod
    def log_model(
        self,
        record: ScanRecord,
        triggers: Sequence[TriggerRecord],
        tensors: Mapping[str, NDArray[np.generic]],
    ) -> None:
        """Take note of one model.

        Args:
            record: Its record, finished or failed.
            triggers: Its triggers.
            tensors: What may be drawn of it, by name.
        """

    @abstractmethod
    def finish(self, collection: Collection | None) -> None:
        """Close the log. Called once, however the run ended.

        Args:
            collection: The run's records; None if the run broke off before they were collected.
        """


class NullLogger(RunLogger):
    """Reports to nowhere: a run's own files are all there is."""

    def log_model(
        self,
        record: ScanRecord,
        triggers: Sequence[TriggerRecord],
        tensors: Mapping[str, NDArray[np.generic]],
    ) -> None:
        """Does nothing."""

    def finish(self, collection: Collection | None) -> None:
        """Does nothing."""
