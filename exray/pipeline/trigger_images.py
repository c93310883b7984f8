"""What a report draws of a trigger: images of what it does."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from exray.images.samples import SampleSet
from exray.judges.base import Judgement
from exray.triggers.base import InvertedTrigger


def pictures(
    index: int, samples: SampleSet, trigger: InvertedTrigger, judgement: Judgement
) -> dict[str, NDArray[np.generic]]:
    """Victim, trigger, stamped and target image, and the masks, by ``trigger_<index>/<name>``.

    Args:
        index: The trigger's place among its classifier's.
        samples: Clean images.
        trigger: The trigger.
        judgement: Holds the masks, where the judge has some.
    """
    victim = samples.of_class(trigger.victim_class)[:1]
    drawn = {
        "victim_image": victim[0],
        "stamped_image": trigger.trigger.apply(victim)[0],
        "target_image": samples.of_class(trigger.target_class)[0],
    }
    alone = trigger.trigger.portrait(victim)
    if alone is not None:
        drawn["trigger_image"] = alone
    arrays: dict[str, NDArray[np.generic]] = {
        f"trigger_{index}/{name}": _bytes(image) for name, image in drawn.items()
    }
    for name, tensor in judgement.tensors.items():
        arrays[f"trigger_{index}/{name}"] = tensor.detach().cpu().numpy().astype(np.float32)
    return arrays


def _bytes(image: Tensor) -> NDArray[np.uint8]:
    pixels = (image.detach().clamp(0, 1) * 255).round().to(torch.uint8)
    array: NDArray[np.uint8] = pixels.permute(1, 2, 0).contiguous().cpu().numpy()
    return array
