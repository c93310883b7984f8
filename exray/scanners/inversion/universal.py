"""Triggers for all victims of a target: the images they see and the victim they flip most."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from exray.images.samples import SampleSet
from exray.scanners.inversion.loop import Inversion
from exray.scanners.inversion.success import success
from exray.scanners.validation import require_count, require_size_share
from exray.triggers.base import InvertedTrigger


@dataclass(frozen=True, kw_only=True)
class UniversalSettings:
    """Arms that look for one trigger of many colours for all victims of a target.

    Args:
        share: Of the other classes' images among whose likeliest classes a target must be.
        max_size_share: Bound on the trigger's size as a share of the image's area.
        images_per_step: Images that an arm sees in a step.

    Raises:
        ValueError: If a share is out of its range or the count is not positive.
    """

    share: float
    max_size_share: float
    images_per_step: int

    def __post_init__(self) -> None:
        if isinstance(self.share, str) or not 0 <= self.share <= 1:
            raise ValueError(f"share must be a fraction in [0, 1]; got {self.share!r}")
        require_size_share("max_size_share", self.max_size_share)
        require_count("images_per_step", self.images_per_step)


def interleaved(pools: Sequence[Float[Tensor, "_ 3 h w"]]) -> Float[Tensor, "n 3 h w"]:
    """Images of all classes in turn, so that the first few hold every class.

    Args:
        pools: Images of each class.

    Example:
        >>> pools = [torch.zeros(2, 3, 1, 1), torch.ones(1, 3, 1, 1)]
        >>> interleaved(pools)[:, 0, 0, 0]
        tensor([0., 1., 0.])
    """
    turns = [(turn, place) for place, pool in enumerate(pools) for turn in range(len(pool))]
    return torch.stack([pools[place][turn] for turn, place in sorted(turns)])


def most_flipped(
    inversion: Inversion, place: int, samples: SampleSet, *, source: str
) -> InvertedTrigger:
    """The hardened best trigger of a candidate, with the victim class that it flips most.

    Args:
        inversion: What found it.
        place: Of the candidate.
        samples: Clean images.
        source: Recorded with the trigger.
    """
    trigger, candidate = inversion.trigger(place), inversion.candidates[place]
    told = []
    for victim in candidate.victims:
        stamped = trigger.apply(samples.of_class(victim))
        logits = inversion.split.classifier.predict(stamped)[None].double()
        target = torch.tensor([candidate.target], device=logits.device)
        rate, surety = success(logits, target)
        told.append((float(rate), float(surety), victim))
    asr, probability, victim = max(told)
    return InvertedTrigger(
        trigger=trigger,
        victim_class=victim,
        target_class=candidate.target,
        asr=asr,
        target_probability=probability,
        source=source,
    )
