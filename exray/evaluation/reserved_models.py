"""Refuses to choose thresholds or calibrations on models that are kept for reporting."""

from exray.results.collection import Collection
from exray.results.store import ResultStore


def refuse_reserved(collection: Collection, store: ResultStore) -> None:
    """Refuses to choose on models of a zoo, or of a half scanned by itself, kept for reporting.

    Args:
        collection: The run's records.
        store: Where they are stored.

    Raises:
        ValueError: If a record is of such a model.
    """
    is_reporting_half = store.config().get("dataset.half") == "reporting"
    for scan in collection.scans:
        if is_reporting_half or scan.record.truth.get("reserved"):
            raise ValueError(
                f"{store.root} holds {scan.record.model_id}, which is kept for reporting; choose "
                "on a run of another zoo, such as dataset=signs"
            )
