"""One classifier's scan: what is stored of it, and what is drawn of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from exray.results.records import ScanRecord, TriggerRecord

Tensors = Mapping[str, NDArray[np.generic]]
"""Images and masks by ``trigger_<index>/<name>``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelScan:
    """One classifier's record with its triggers and what a report may draw of them.

    Args:
        record: The classifier's record.
        triggers: Its triggers, in their order.
        tensors: Images and masks by name; read from the disk on access where they are stored.
    """

    record: ScanRecord
    triggers: tuple[TriggerRecord, ...] = ()
    tensors: Tensors = field(default_factory=dict)
