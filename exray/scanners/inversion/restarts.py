"""Several starts of one candidate: keeps the best, and measures how far the others agree."""

from collections.abc import Sequence
from dataclasses import replace

from exray.triggers.base import InvertedTrigger, Trigger
from exray.triggers.patch import OPACITY_BAR, PatchTrigger


def agreement(best: Trigger, others: Sequence[Trigger], *, restarts: int) -> dict[str, float]:
    """Measurements of a trigger that was inverted from several starts; none for a single start.

    ``restarts`` is the number of starts, ``restarts_found`` the share of them that met the
    scanner's threshold, ``restarts_overlap`` the least intersection over union of such a patch with
    the best one. A backdoor that reacts everywhere can be found at several places: little overlap
    is no fault.

    Args:
        best: The best of the starts' triggers.
        others: Triggers of the other starts that met the threshold.
        restarts: Total number of starts.

    Example:
        >>> import torch
        >>> patches = []
        >>> for columns in (2, 1):
        ...     mask = torch.zeros(2, 2)
        ...     mask[:, :columns] = 1
        ...     patches.append(PatchTrigger(mask=mask, pattern=torch.ones(3, 2, 2)))
        >>> agreement(patches[0], patches[1:], restarts=4)
        {'restarts': 4.0, 'restarts_found': 0.5, 'restarts_overlap': 0.5}
    """
    if restarts == 1:
        return {}
    measurements = {"restarts": float(restarts), "restarts_found": (1 + len(others)) / restarts}
    if isinstance(best, PatchTrigger):
        overlaps = [_overlap(best, other) for other in others if isinstance(other, PatchTrigger)]
        measurements |= {"restarts_overlap": min(overlaps)} if overlaps else {}
    return measurements


def best_of_restarts(
    triggers: Sequence[InvertedTrigger], *, restarts: int
) -> list[InvertedTrigger]:
    """The first trigger of each pair, with how far the pair's other triggers agree.

    Args:
        triggers: Triggers that met the scanner's threshold, strongest first.
        restarts: Number of starts per pair.
    """
    pairs: dict[tuple[int, int], list[InvertedTrigger]] = {}
    for trigger in triggers:
        pairs.setdefault((trigger.victim_class, trigger.target_class), []).append(trigger)
    return [
        replace(
            first,
            measurements={
                **first.measurements,
                **agreement(first.trigger, [t.trigger for t in others], restarts=restarts),
            },
        )
        for first, *others in pairs.values()
    ]


def _overlap(one: PatchTrigger, other: PatchTrigger) -> float:
    first, second = one.mask > OPACITY_BAR, other.mask > OPACITY_BAR
    either = int((first | second).sum())
    return int((first & second).sum()) / either if either else 1.0
