"""Which models of a dataset a run scans: kinds of trigger."""

from collections.abc import Sequence

from exray.datasets.base import ModelDataset


def of_kinds(source: ModelDataset, kinds: Sequence[str] | None) -> tuple[str, ...]:
    """The ids of clean models, and of those with triggers of some kinds.

    Models of unknown ground truth stay.

    Args:
        source: The dataset.
        kinds: Kinds of trigger as the ground truth names them; None for all.

    Raises:
        ValueError: If no model has a trigger of one of the kinds.
    """
    ids = source.model_ids()
    if kinds is None:
        return ids
    truths = {model_id: source.truth(model_id) for model_id in ids}
    present = {truth.kind for truth in truths.values() if truth is not None and truth.kind}
    for kind in kinds:
        if kind not in present:
            known = ", ".join(sorted(present)) or "none"
            raise ValueError(
                f"kinds must name triggers of {source.name}, which has: {known}; got {kind!r}"
            )
    return tuple(
        model_id
        for model_id, truth in truths.items()
        if truth is None or not truth.is_trojaned or truth.kind in kinds
    )
