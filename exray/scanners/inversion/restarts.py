"""Several starts of one candidate: the best is kept, and how far the others agree is recorded."""

from collections.abc import Sequence
from dataclasses import replace

from exray.triggers.base import InvertedTrigger, Trigger
from exray.triggers.patch import OPACITY_BAR, PatchTrigger


def agreement(kept: Trigger, others: Sequence[Trigger], *, restarts: int) -> dict[str, float]:
    """What is recorded of a trigger that was inverted from several starts; nothing of a single one.

    ``restarts`` is how many were tried, ``restarts_found`` the share of them that met the scanner's
    bar, ``restarts_overlap`` the least intersection over union of a found patch with the kept one.
    A backdoor that looks everywhere can be found at several places: little overlap is no fault.

    Args:
        kept: The best of the starts' triggers.
        others: Those of the other starts that met the bar.
        restarts: Starts in all.

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
    found = {"restarts": float(restarts), "restarts_found": (1 + len(others)) / restarts}
    if isinstance(kept, PatchTrigger):
        overlaps = [_overlap(kept, each) for each in others if isinstance(each, PatchTrigger)]
        found |= {"restarts_overlap": min(overlaps)} if overlaps else {}
    return found


def best_of_restarts(
    triggers: Sequence[InvertedTrigger], *, restarts: int
) -> list[InvertedTrigger]:
    """The first trigger of each pair, with how far the pair's others agree.

    Args:
        triggers: Those that met the scanner's bar, strongest first.
        restarts: Starts of each pair.
    """
    pairs: dict[tuple[int, int], list[InvertedTrigger]] = {}
    for each in triggers:
        pairs.setdefault((each.victim_class, each.target_class), []).append(each)
    return [
        replace(
            first,
            measurements={
                **first.measurements,
                **agreement(first.trigger, [each.trigger for each in others], restarts=restarts),
            },
        )
        for first, *others in pairs.values()
    ]


def _overlap(one: PatchTrigger, other: PatchTrigger) -> float:
    first, second = one.mask > OPACITY_BAR, other.mask > OPACITY_BAR
    either = int((first | second).sum())
    return int((first & second).sum()) / either if either else 1.0
