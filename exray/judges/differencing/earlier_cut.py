"""The same masks' measurements at a second, earlier cut of the network."""

from collections.abc import Sequence

from exray.images.samples import SampleSet
from exray.judges.differencing.mask_measurements import measure_masks
from exray.judges.differencing.mask_optimization import MaskSettings
from exray.judges.differencing.mask_search import MaskSearch
from exray.judges.differencing.set_pairs import plan_pairs
from exray.models.splitting.split_classifier import SplitClassifier
from exray.rules.base import unconverged_pairs
from exray.rules.calibration import EARLIER
from exray.triggers.base import InvertedTrigger

CONVERGED = "earlier_converged"


def earlier_measurements(
    split: SplitClassifier,
    samples: SampleSet,
    triggers: Sequence[InvertedTrigger],
    settings: MaskSettings,
) -> list[dict[str, float]]:
    """Each trigger's similarities and cross accuracies at a cut of its own.

    A natural trigger makes the target's features from early on; an injected one may share late
    features with the target alone.

    Args:
        split: The classifier, cut at the earlier layer.
        samples: Clean images that it gets right.
        triggers: The triggers to measure.
        settings: The mask optimisation's numbers.

    Returns:
        The measurements of ``exray.rules.calibration.EARLIER``, and whether both masks converged
        (``earlier_converged``), without which the rest is left out. Nothing of a trigger with an
        attack success rate of zero.

    Raises:
        ValueError: If a trigger's victim or target class has no images.

    Source: none; the paper cuts at one layer.
    """
    plan = plan_pairs(split, samples, triggers)
    if plan.pairs is None:
        return [{} for _ in triggers]
    result = MaskSearch(plan.head, plan.pairs, settings).run()
    measured = measure_masks(plan, result, settings)
    return [{} if one is None else _prefixed(one.values) for one in measured]


def _prefixed(values: dict[str, float]) -> dict[str, float]:
    """A trigger's measurements by the names that they have at the earlier cut."""
    if unconverged_pairs(values):
        return {CONVERGED: 0.0}
    measured = {name: name.removeprefix("earlier_") for name in EARLIER}
    named = {name: values[own] for name, own in measured.items() if own in values}
    return {CONVERGED: 1.0, **named}
