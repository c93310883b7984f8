"""Which of a source's classifiers a run is to scan."""

from collections.abc import Sequence

from exray.datasets.base import ModelDataset


def of_kinds(source: ModelDataset, kinds: Sequence[str] | None) -> tuple[str, ...]:
    """The ids of clean classifiers, and of those trojaned by one of some kinds of trigger.

    Classifiers of unknown ground truth stay.

    Args:
        source: Whose classifiers.
        kinds: Kinds of trigger as the ground truth calls them; None for all.

    Raises:
        ValueError: If no classifier was trojaned by one of the kinds.
    """
    ids = source.model_ids()
    if kinds is None:
        return ids
    truths = {model_id: source.truth(model_id) for model_id in ids}
    there = {truth.kind for truth in truths.values() if truth is not None and truth.kind}
    for kind in kinds:
        if kind not in there:
            known = ", ".join(sorted(there)) or "none"
            raise ValueError(
                f"kinds must name triggers of {source.name}, which has: {known}; got {kind!r}"
            )
    return tuple(
        model_id
        for model_id, truth in truths.items()
        if truth is None or not truth.is_trojaned or truth.kind in kinds
    )
