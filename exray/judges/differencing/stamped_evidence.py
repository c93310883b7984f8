"""How stamped images compare with clean images of the target class, by logits and features."""

import torch
from jaxtyping import Float
from torch import Tensor

from exray.models.classifier import Classifier
from exray.triggers.base import Trigger

_MOVES = (-3 / 16, -1 / 8, 1 / 8, 3 / 16)  # of a side, by which images are moved
_IMAGES = 10  # most images that are moved
_CLOSEST = 1e-3  # least ratio of distances, so that its logarithm is finite


def target_log_odds(logits: Float[Tensor, "n k"], target_class: int) -> Float[Tensor, " n"]:
    """Log-odds of the target class against the best other class, in nats.

    Args:
        logits: Of some images, at least two classes.
        target_class: Index of the target class.

    Example:
        >>> target_log_odds(torch.tensor([[1.0, 4.0, 2.0]]), 1)
        tensor([2.])
    """
    others = logits.clone()
    others[:, target_class] = -torch.inf
    return logits[:, target_class] - others.amax(dim=1)


def confidence_shift(
    stamped: Float[Tensor, "n k"], clean: Float[Tensor, "m k"], target_class: int
) -> float:
    """Mean log-odds of the target on stamped images, less that on its clean images, in nats.

    Above zero the trigger is taken for the target with more confidence than the target's own
    images are.

    Args:
        stamped: Logits of the victim's stamped images.
        clean: Logits of clean images of the target.
        target_class: Index of the target class.

    Example:
        >>> confidence_shift(torch.tensor([[0.0, 5.0]]), torch.tensor([[1.0, 3.0]]), 1)
        3.0

    Source: none.
    """
    means = [float(target_log_odds(logits, target_class).mean()) for logits in (stamped, clean)]
    return means[0] - means[1]


def tube_ratio(stamped: Float[Tensor, "n c ..."], clean: Float[Tensor, "m c ..."]) -> float | None:
    """How far stamped images' features lie from the target's clean ones; 0 is as far as those.

    The logarithm of the median distance of a stamped image to the nearest clean image of the
    target, over the median distance of a clean image to the nearest other one. Features that lie
    outside of the target's cloud are of another kind than those that make the class.

    Args:
        stamped: Features of stamped images, at least one.
        clean: Features of clean images of the target.

    Returns:
        The ratio; None with fewer than two clean images, or where these do not differ.

    Example:
        >>> clean = torch.tensor([[0.0], [1.0], [2.0]])
        >>> tube_ratio(torch.tensor([[3.0]]), clean)
        0.0

    Source: TED++, the class tube, at one layer and with the nearest neighbour. Not in the paper.
    """
    if len(clean) < 2:
        return None
    clean, stamped = clean.flatten(1), stamped.flatten(1)
    within = torch.cdist(clean, clean, compute_mode="donot_use_mm_for_euclid_dist")
    within.fill_diagonal_(torch.inf)
    spread = within.amin(dim=1).median()
    if not spread > 0:
        return None
    across = torch.cdist(stamped, clean, compute_mode="donot_use_mm_for_euclid_dist")
    ratio = across.amin(dim=1).median() / spread
    return float(ratio.clamp(min=_CLOSEST).log())


def steadiness(
    trigger: Trigger,
    classifier: Classifier,
    images: Float[Tensor, "n c h w"],
    target_class: int,
) -> float:
    """How steadily a trigger leads to its target, whatever of the image lies beneath it.

    The images are moved, the trigger stays: by an eighth and by three sixteenths of the height or
    the width, either way, what leaves on one side entering on the other. The target's log-odds are
    averaged over an image's moves; their mean over the images is divided by one plus their
    standard deviation. An injected trigger carries the target by itself; one that completes what
    the victim already shows of the target works on some images, at one place.

    Args:
        trigger: The inverted trigger.
        classifier: The classifier under scan, tempered.
        images: Clean images of the victim, at least one; the first ten are taken.
        target_class: Index of the target class.

    Source: none. Not in the paper.
    """
    images = images[:_IMAGES]
    height, width = images.shape[-2:]
    moves = [(0, 0)]
    moves += [(round(share * height), 0) for share in _MOVES]
    moves += [(0, round(share * width)) for share in _MOVES]
    moved = torch.cat([images.roll(move, dims=(2, 3)) for move in moves])
    leads = target_log_odds(classifier.predict(trigger.apply(moved)).float(), target_class)
    by_image = leads.view(len(moves), len(images)).mean(dim=0)
    return float(by_image.mean() / (1 + by_image.std(correction=0)))
