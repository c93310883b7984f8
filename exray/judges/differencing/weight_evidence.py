"""How the target's weights in the last layer stand out among the classes'."""

import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from exray.models.classifier import Classifier
from exray.models.last_layer import LEAST_CLASSES, class_weights, standing_out

_LEAST = 0.3  # deviations, so that their logarithm is finite


def weight_evidence(
    classifier: Classifier, images: Float[Tensor, "n c h w"], targets: Sequence[int]
) -> list[dict[str, float]]:
    """``target_weight`` and ``heaviest_class`` of triggers; nothing where there is no such layer.

    A class that was trained on others' stamped images is spoken for by more features than its
    equals: the mean of its weights lies above theirs. ``target_weight`` is by how many standard
    deviations of the other classes' the target's does; ``heaviest_class`` is the logarithm of the
    most by which a class's mean positive weight does, the same for all triggers of a classifier.
    A class that was trained on more clean images than every other looks alike.

    Args:
        classifier: The classifier under scan.
        images: Clean images, at least one.
        targets: The target class of each trigger.

    Returns:
        For each trigger its measurements; empty with fewer than four classes, or where the last
        layer of weights does not have a row for each class.

    Source: after Trojan Signatures (Fields et al., 2021), which compares rows' means. Not in the
    paper.
    """
    rows = None if classifier.num_classes < LEAST_CLASSES else class_weights(classifier, images)
    if rows is None:
        return [{} for _ in targets]
    means = standing_out(rows.mean(dim=1))
    heaviest = float(standing_out(rows.clamp(min=0).mean(dim=1)).amax())
    return [
        {
            "target_weight": float(means[target]),
            "heaviest_class": math.log(max(heaviest, _LEAST)),
        }
        for target in targets
    ]
