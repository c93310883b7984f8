"""What a calibration of several groups weighs: measurements with their words and their signs."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from exray.rules.calibration import FEATURES, TRACES

PORTFOLIO_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "strength": "its strength on held-out images",
        "strength_wide": "the strength within the widest bound",
        "margin_wide": "its lead over the best rival",
        "strength_medium": "the strength within a narrower bound",
        "margin_medium": "its lead over the best rival within a narrower bound",
        "strength_median": "the strength of the model's other targets",
        "reverse_strength": "the strength from target to victim",
        "asymmetry": "its lead over the reverse direction",
        "universality": "the share of classes that it flips",
        "other_strength": "its strength on other classes",
        "shifted_strength": "its strength when moved",
        "lift": "by how much it raises the target's lead",
        "disruption": "the share of other classes' images that it changes",
        "asr_lower": "the lower bound on its success rate",
        "num_targets": "the number of targets it reaches",
        "targets_share": "the share of classes that it reaches",
        "num_agreeing": "the other searches that reach its target",
    }
)
_MASK_WORDS = {
    "similarity": "the masks' overlap",
    "similarity_first": "the overlap as a share of M1",
    "similarity_second": "the overlap as a share of M2",
    "similarity_quantile": "the masks' overlap among that of mismatched masks",
    "cross_victim_into_target": "M2 taking victims for targets",
    "cross_target_into_victim": "M2 taking targets for victims",
    "cross_victim_into_stamped": "M1 undoing the trigger",
    "cross_stamped_into_victim": "M1 carrying the trigger over",
    "weakest_cross": "the weakest cross accuracy",
    "mean_cross": "the mean cross accuracy",
    "mask_ratio": "the size of M2 against M1 (log)",
    "log_entropy_cross_stamped_into_victim": "how badly M1 carries it over (log nats)",
}
_STAMPED_WORDS = {
    "confidence_shift": "the confidence of stamped images against the target's own",
    "tube_ratio": "the distance of stamped images from the target's (log)",
    "log_entropy_stamped_target": "the loss of stamped images (log nats)",
    "steadiness": "how steadily it works on moved images",
    "log_patch_size": "the patch's size (log)",
}
WORDS: Mapping[str, str] = MappingProxyType(
    {**PORTFOLIO_WORDS, **_MASK_WORDS, **_STAMPED_WORDS, **TRACES}
)
"""All of the measurements, each in words."""

OF_JUDGE = frozenset({*_MASK_WORDS, *_STAMPED_WORDS, *TRACES})
"""Those that ``ExrayJudge`` takes; the others are the scanner's."""

OF_MASKS = frozenset(_MASK_WORDS)
"""Those of them that are taken of the masks."""

_MASKS_CONVERGED = ("converged_victim_target", "converged_victim_stamped")
_SIGNS = {
    **dict.fromkeys(("strength", "strength_wide", "strength_medium", "shifted_strength"), 1),
    **dict.fromkeys(("margin_wide", "margin_medium", "asymmetry", "asr_lower", "lift"), 1),
    **dict.fromkeys(("confidence_shift", "tube_ratio", "steadiness", *TRACES), 1),
    **dict.fromkeys(("num_targets", "targets_share", "num_agreeing"), 1),
    **dict.fromkeys(("strength_median", "reverse_strength"), -1),
    **dict.fromkeys((name for name in _MASK_WORDS if name.startswith("similarity")), -1),
}


def sign_of(feature: str, *, is_universal: bool | None) -> int:
    """The sign that theory gives the weight of a measurement; 0 where it gives none.

    An injected trigger is strong, stronger than its rivals and its reverse direction, also where it
    is moved; a natural one shares features with its target. Of universal triggers one that flips
    more classes says more; of label-specific ones that is open.

    Args:
        feature: One of `WORDS`.
        is_universal: Reach of the triggers that it is weighed for; None for both.

    Example:
        >>> sign_of("strength", is_universal=False), sign_of("similarity", is_universal=None)
        (1, -1)
    """
    if feature == "universality":
        return int(is_universal is True)
    return _SIGNS.get(feature, 0)


def value_of(feature: str, measurements: Mapping[str, float]) -> float:
    """A measurement of one trigger; nan where it does not apply or was not taken.

    What follows from two masks does not apply where one of them did not converge.

    Args:
        feature: One of `WORDS`.
        measurements: Of the scanner and of ``ExrayJudge``.

    Example:
        >>> value_of("strength", {"strength": 4.0}), value_of("asymmetry", {"strength": 4.0})
        (4.0, nan)
    """
    if feature in PORTFOLIO_WORDS:
        return float(measurements.get(feature, math.nan))
    if feature in _MASK_WORDS and any(measurements.get(name, 0) < 1 for name in _MASKS_CONVERGED):
        return math.nan
    try:
        return float(FEATURES[feature](measurements))
    except KeyError:
        return math.nan


def with_agreement(
    rows: Sequence[Mapping[str, float]], targets: Sequence[int]
) -> list[dict[str, float]]:
    """The measurements of a model's triggers, with what only all of them together tell.

    ``num_agreeing`` is the number of other searches that found a trigger to the same target.

    Args:
        rows: Measurements of each trigger.
        targets: Target class of each.

    Example:
        >>> rows = [{"is_patch": 1.0}, {"is_patch": 1.0}, {"is_filter": 1.0}]
        >>> [row["num_agreeing"] for row in with_agreement(rows, [3, 4, 3])]
        [1.0, 0.0, 1.0]
    """
    searches = [search_of(row) for row in rows]
    reached = [(target, search) for target, search in zip(targets, searches, strict=True)]
    return [
        {**row, "num_agreeing": float(len({s for t, s in reached if t == target} - {search}))}
        for row, (target, search) in zip(rows, reached, strict=True)
    ]


def search_of(measurements: Mapping[str, float]) -> str:
    """The search of ``scanner=portfolio`` that found a trigger; empty for another scanner's.

    Args:
        measurements: Of the trigger, with a flag such as ``is_patch``.

    Example:
        >>> search_of({"is_patch": 1.0, "is_universal": 1.0}), search_of({})
        ('patch', '')
    """
    flags = (
        name.removeprefix("is_")
        for name, value in measurements.items()
        if name.startswith("is_") and name != "is_universal" and value == 1
    )
    return next(flags, "")
