"""Inverted triggers on part of the images that a network learns from."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from exray.seeding import generator
from exray.triggers.base import InvertedTrigger
from exray.triggers.paired import PairedTrigger


class TriggerStamper:
    """Stamps a random share of images, each with one of the triggers; labels stay what they are.

    Images of a trigger's own target are left alone. Of triggers that are known on their own images
    only, none can be stamped.

    Args:
        triggers: What is stamped; none stamps nothing.
        share: Of the images, in [0, 1].
        seed: Of which images, and which trigger on each.
    """

    def __init__(self, triggers: Sequence[InvertedTrigger], *, share: float, seed: int) -> None:
        self.triggers = [one for one in triggers if can_be_stamped(one)]
        self.share = share
        self.stream = generator(seed, "stamps")

    def stamped(
        self, images: Float[Tensor, "n c h w"], labels: Int[Tensor, " n"]
    ) -> Float[Tensor, "n c h w"]:
        """The images, a share of them stamped.

        Args:
            images: In [0, 1].
            labels: Their true classes.
        """
        if not self.triggers or not self.share:
            return images
        chosen = torch.rand(len(images), generator=self.stream) < self.share
        place = torch.randint(len(self.triggers), (len(images),), generator=self.stream)
        result = images.clone()
        for index, trigger in enumerate(self.triggers):
            rows = (chosen & (place == index)).to(images.device) & (labels != trigger.target_class)
            if rows.any():
                result[rows] = trigger.apply(images[rows])
        return result


def can_be_stamped(trigger: InvertedTrigger) -> bool:
    """Whether a trigger says what it does to images other than its own.

    Args:
        trigger: The trigger.
    """
    return not isinstance(trigger.trigger, PairedTrigger)
