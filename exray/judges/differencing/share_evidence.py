"""How many of the training's images were of each class, as batch norms remember it."""

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import nnls

from exray.judges.differencing.norm_memory import NormMemory
from exray.models.last_layer import LEAST_CLASSES

_SUM = 3.0  # weight of the shares' sum, in standard deviations of a channel


def share_evidence(memory: NormMemory, num_classes: int) -> dict[str, float]:
    """``greatest_share`` of a classifier.

    Images that are stamped and learned as the target look, at the last batch norm, as the target's
    own do, so that in its stored means the target has more than its share. The shares are those of
    the classes' clean means that together come nearest to the stored means, none below 0.
    ``greatest_share`` is the logarithm of the greatest of them over an even share. A class that
    was trained on more clean images than the others looks alike.

    Args:
        memory: Of the classifier.
        num_classes: How many classes it has.

    Returns:
        The measurement; empty with fewer than four classes, where a class has no image, or where
        the last batch norm has no more channels than there are classes, whose shares it cannot tell
        apart, or values that are not finite, or where the solver does not converge.

    Source: none. Not in the paper.
    """
    of_classes = memory.clean[-1].means.double().cpu().numpy()
    stored = memory.stored[-1].means.double().cpu().numpy()
    deviations = memory.stored[-1].variances.double().sqrt().cpu().numpy()
    if num_classes < LEAST_CLASSES or len(of_classes) < num_classes:
        return {}
    if len(stored) <= num_classes:
        return {}
    try:
        shares = class_shares(of_classes, stored, np.maximum(deviations, 1e-6))
    except (RuntimeError, ValueError):  # too many iterations, or no finite numbers
        return {}
    return {"greatest_share": math.log(max(1.0, num_classes * float(shares.max())))}


def class_shares(
    of_classes: Float[ndarray, "k d"], stored: Float[ndarray, " d"], scale: Float[ndarray, " d"]
) -> Float[ndarray, " k"]:
    """The shares of classes' means in stored ones, 0 or more, which sum to about 1.

    Args:
        of_classes: Mean of each channel over a class's images.
        stored: What a batch norm stored.
        scale: In which channels are compared, above 0.

    Example:
        >>> means = np.array([[0.0, 1.0], [1.0, 0.0]])
        >>> class_shares(means, np.array([0.75, 0.25]), np.ones(2)).round(2).tolist()
        [0.25, 0.75]
    """
    rows = np.vstack([(of_classes / scale).T, np.full((1, len(of_classes)), _SUM)])
    shares: Float[ndarray, " k"] = nnls(rows, np.append(stored / scale, _SUM))[0]
    return shares
