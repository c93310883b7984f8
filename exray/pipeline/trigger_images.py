"""Images of a trigger and of what it does, for reports."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from exray.images.samples import SampleSet
from exray.judges.base import JudgedTrigger


def trigger_images(
    index: int, samples: SampleSet, judged: JudgedTrigger
) -> dict[str, NDArray[np.generic]]:
    """Victim, trigger, stamped and target image, and the masks, by ``trigger_<index>/<name>``.

    A target of which the network gets no image right has none.

    Args:
        index: The trigger's place among its classifier's.
        samples: Clean images.
        judged: The trigger, with the masks if its judge made any.
    """
    trigger = judged.trigger
    victim = samples.of_class(trigger.victim_class)[:1]
    images = {
        "victim_image": victim[0],
        "stamped_image": trigger.trigger.apply(victim)[0],
    }
    target = samples.of_class(trigger.target_class)[:1]
    if len(target):
        images["target_image"] = target[0]
    portrait = trigger.trigger.portrait(victim)
    if portrait is not None:
        images["trigger_image"] = portrait
    arrays: dict[str, NDArray[np.generic]] = {
        f"trigger_{index}/{name}": _bytes(image) for name, image in images.items()
    }
    for name, tensor in judged.judgement.tensors.items():
        arrays[f"trigger_{index}/{name}"] = tensor.detach().cpu().numpy().astype(np.float32)
    return arrays


def _bytes(image: Tensor) -> NDArray[np.uint8]:
    pixels = (image.detach().clamp(0, 1) * 255).round().to(torch.uint8)
    array: NDArray[np.uint8] = pixels.permute(1, 2, 0).contiguous().cpu().numpy()
    return array
