"""What a report draws of a trigger: images of what it does."""

import colorsys

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from exray.images.samples import SampleSet
from exray.judges.base import Judgement
from exray.triggers.base import InvertedTrigger, Trigger
from exray.triggers.filter import FilterTrigger
from exray.triggers.patch import PatchTrigger
from exray.triggers.recolouring import RecolourTrigger

_GRAY = 0.5  # what shows through where a patch is transparent
_DARKEST = 0.1  # lightness of the chart's last row; the first is white less as much


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
    alone = portrait(trigger.trigger, victim)
    if alone is not None:
        drawn["trigger_image"] = alone
    arrays: dict[str, NDArray[np.generic]] = {
        f"trigger_{index}/{name}": _bytes(image) for name, image in drawn.items()
    }
    for name, tensor in judgement.tensors.items():
        arrays[f"trigger_{index}/{name}"] = tensor.detach().cpu().numpy().astype(np.float32)
    return arrays


def portrait(trigger: Trigger, like: Float[Tensor, "1 c h w"]) -> Float[Tensor, "c h w"] | None:
    """A trigger by itself: a patch on gray; of a change of colours a chart above what it becomes.

    Args:
        trigger: The trigger.
        like: An image of its size.

    Returns:
        The image; None for a trigger that is known on its own images only.
    """
    if isinstance(trigger, PatchTrigger):
        return trigger.apply(torch.full_like(like, _GRAY))[0]
    if not isinstance(trigger, FilterTrigger | RecolourTrigger):
        return None
    height, width = like.shape[-2:]
    half = colour_chart((max(height // 2, 1), width)).to(like)
    chart = half.repeat(1, 3, 1)[:, :height]
    changed = trigger.apply(chart[None])[0]
    return torch.cat([half, changed[:, half.shape[1] :]], dim=1)


def colour_chart(size: tuple[int, int]) -> Float[Tensor, "3 h w"]:
    """Every hue from left to right, from light above to dark below.

    Args:
        size: Height and width in pixels.

    Example:
        >>> colour_chart((5, 3))[:, 2].T.round()  # pure red, green and blue in the middle row
        tensor([[1., 0., 0.],
                [0., 1., 0.],
                [0., 0., 1.]])
    """
    lightness = torch.linspace(1 - _DARKEST, _DARKEST, size[0]).tolist()
    hues = [place / size[1] for place in range(size[1])]
    rows = [[colorsys.hls_to_rgb(hue, level, 1.0) for hue in hues] for level in lightness]
    return torch.tensor(rows).permute(2, 0, 1).contiguous()


def _bytes(image: Tensor) -> NDArray[np.uint8]:
    pixels = (image.detach().clamp(0, 1) * 255).round().to(torch.uint8)
    array: NDArray[np.uint8] = pixels.permute(1, 2, 0).contiguous().cpu().numpy()
    return array
