"""How many of the training's images bore a trigger, as batch norms remember it."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import nnls
from torch import Tensor

from exray.images.samples import SampleSet
from exray.judges.differencing.norm_memory import NormMemory, at_most
from exray.models.batch_statistics import NormMoments, StoredMoments, norm_moments
from exray.models.classifier import Classifier
from exray.models.last_layer import LEAST_CLASSES
from exray.triggers.base import InvertedTrigger

_SUM = 0.3  # weight of the shares' sum, in mean standard deviations of a layer's channels
_MOST_STAMPED = 64  # images of either kind that are stamped with one trigger
_MOST_CLASSES = 200
_KINDS = 2  # of stamped images
_LEAST_PART = 0.75  # of the classes


def stamped_evidence(
    memory: NormMemory,
    classifier: Classifier,
    samples: SampleSet,
    triggers: Sequence[InvertedTrigger],
) -> list[dict[str, float]]:
    """``stamped_share`` and ``stamped_gain`` of triggers.

    What a batch norm stored are the moments of a mixture: so many images of each class, and, where
    a backdoor was trained, so many stamped ones. In the last third of the batch norms the classes'
    clean images, and how the usual changes of a training move them, are laid over the stored means
    and mean squares, with shares of 0 or more; then stamped images join, those of the victim and
    those of the other classes but the target, which a label-specific attack shows with their own
    labels. ``stamped_share`` is the share that both get, and ``stamped_gain`` the part of the
    squared residual that they take away, 0 to 1. A natural trigger moves images to where the
    classes lie anyhow, or to where nothing was stored. A class that was trained on more clean
    images than others explains itself, though what is left over may raise a trigger's share.

    Args:
        memory: Of the classifier.
        classifier: The classifier under scan.
        samples: Its clean images.
        triggers: Each is stamped on 64 images at most of either kind.

    Returns:
        For each trigger both measurements; nothing with fewer than four or more than 200 classes,
        where a quarter of the classes has no image, where the batch norms have too few channels for
        so many shares or values that are not finite, or where the solver does not converge.

    Source: none. Not in the paper.
    """
    count = classifier.num_classes
    if not LEAST_CLASSES <= count <= _MOST_CLASSES or len(memory.classes) <= _LEAST_PART * count:
        return [{} for _ in triggers]
    mixture = _Mixture(memory)
    if not mixture.is_determined:
        return [{} for _ in triggers]
    return [
        mixture.measured([norm_moments(classifier, one.apply(part)) for part in parts])
        for one, parts in ((one, _to_stamp(samples, one)) for one in triggers)
    ]


def stamped_part(
    stored: Float[ndarray, " d"],
    shares_of: Float[ndarray, "d k"],
    free: Float[ndarray, "d m"],
    stamped: Float[ndarray, "d s"],
) -> tuple[float, float]:
    """The share of stamped images in stored moments, and the part of the residual they explain.

    Args:
        stored: What was stored.
        shares_of: What each class's images would have stored; shares are 0 or more and sum to
            about 1.
        free: What may be added in any amount.
        stamped: What stamped images would have stored, by kind; they take part in the shares.

    Raises:
        RuntimeError: If the solver does not converge.

    Example:
        >>> classes, none = np.eye(4)[:, :2], np.zeros((4, 0))
        >>> stored = np.array([0.4, 0.4, 0.2, 0])
        >>> share, gain = stamped_part(stored, classes, none, np.eye(4)[:, 2:])
        >>> round(share, 2), round(gain, 2)
        (0.2, 1.0)
    """
    _, before = _fitted(stored, shares_of, free)
    shares, after = _fitted(stored, np.column_stack([shares_of, stamped]), free)
    gain = 0.0 if before < 1e-12 else max(0.0, 1 - after / before)
    return float(shares[shares_of.shape[1] :].sum()), gain


def _fitted(
    stored: Float[ndarray, " d"], shares_of: Float[ndarray, "d k"], free: Float[ndarray, "d m"]
) -> tuple[Float[ndarray, " k"], float]:
    """The shares, and the squared residual."""
    count = shares_of.shape[1]
    rows = np.hstack([shares_of, free, -free])
    total = _SUM * (np.arange(rows.shape[1]) < count)
    given = np.append(stored, _SUM)
    shares, residual = nnls(np.vstack([rows, total]), given, maxiter=30 * len(total))
    return shares[:count], float(residual) ** 2


class _Mixture:
    """The classes' clean images in what the late batch norms stored."""

    def __init__(self, memory: NormMemory) -> None:
        late = slice(-max(1, len(memory.stored) // 3), None)
        self._late, self._stored = late, memory.stored[late]
        self._target = np.concatenate([_stored_row(one) for one in self._stored])
        self._classes = self._columns(memory.clean)
        whole, *changed = (self._columns(one) for one in memory.usual)
        self._free = np.concatenate([one - whole for one in changed], axis=1)

    @property
    def is_determined(self) -> bool:
        """Whether there are more stored numbers than there are shares and changes."""
        unknown = self._classes.shape[1] + self._free.shape[1] + _KINDS
        return bool(self._target.size > unknown)

    def measured(self, stamped: Sequence[list[NormMoments]]) -> dict[str, float]:
        """Both measurements of images that bear a trigger, by kind."""
        rows = np.concatenate([self._columns(moments) for moments in stamped], axis=1)
        try:
            share, gain = stamped_part(self._target, self._classes, self._free, rows)
        except (RuntimeError, ValueError):  # too many iterations, or no finite numbers
            return {}
        return {"stamped_share": share, "stamped_gain": gain}

    def _columns(self, moments: Sequence[NormMoments]) -> Float[ndarray, "d g"]:
        """What groups of images would have stored, in the late batch norms."""
        late = zip(self._stored, moments[self._late], strict=True)
        rows = [_scaled(kept, seen.means.double(), seen.squares.double()) for kept, seen in late]
        return np.concatenate(rows, axis=1).T


def _stored_row(stored: StoredMoments) -> Float[ndarray, " d"]:
    means, variances = stored.means.double(), stored.variances.double()
    row: Float[ndarray, " d"] = _scaled(stored, means[None], (variances + means**2)[None])[0]
    return row


def _scaled(
    stored: StoredMoments, means: Float[Tensor, "g d"], squares: Float[Tensor, "g d"]
) -> Float[ndarray, "g e"]:
    """Means in stored standard deviations, squares in stored ones; each layer weighs the same."""
    centre, variances = stored.means.double(), stored.variances.double()
    root = len(centre) ** 0.5
    first = means / (variances.sqrt() + 1e-6) / root
    second = squares / (variances + centre**2 + 1e-9) / root
    scaled: Float[ndarray, "g e"] = torch.cat([first, second], dim=1).cpu().numpy()
    return scaled


def _to_stamp(samples: SampleSet, trigger: InvertedTrigger) -> list[Float[Tensor, "_ c h w"]]:
    """The victim's images, and those of the classes that are neither victim nor target."""
    is_victim = samples.labels == trigger.victim_class
    is_other = ~is_victim & (samples.labels != trigger.target_class)
    kinds = [samples.images[own] for own in (is_victim, is_other) if own.any()]
    return [at_most(images, _MOST_STAMPED) for images in kinds]
