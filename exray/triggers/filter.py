"""A filter over the whole image, each new colour mixed from the colours around the pixel."""

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from exray.triggers.ssim import along_both
from exray.triggers.whole_image import WholeImageTrigger

NUM_INPUTS = 12  # red, green and blue of the pixel, and of the max, min and mean around it


@dataclass(frozen=True, kw_only=True)
class FilterTrigger(WholeImageTrigger):
    """New colours as weighted sums of the pixel's and its neighbourhood's: ``clip(pools @ W)``.

    Args:
        kernel: Weights in [-1, 1]. Rows: the pixel's red, green and blue, then the three colours
            of the largest, the smallest and the mean value in the window. Columns: the new
            colours. ``apply`` is differentiable in it, so an optimiser may own it.
        window: Side of the neighbourhood in pixels, odd, so that the pixel is its middle.
        image_size: Height and width in pixels of the images it was made for.

    Raises:
        ValueError: If a weight leaves [-1, 1] or the window is even or not positive.

    Example:
        >>> kernel = identity_kernel()
        >>> kernel[0, 1] = 0.5  # half of the red goes into the green
        >>> trigger = FilterTrigger(kernel=kernel, window=3, image_size=(4, 4))
        >>> images = torch.full((1, 3, 4, 4), 0.4)
        >>> [round(v, 2) for v in trigger.apply(images)[0, :, 0, 0].tolist()], trigger.size_pixels
        ([0.4, 0.6, 0.4], 16.0)

    Source: ABS, section 4, filter triggers; facts, sections 2.1 and 2.3. *Differs from the
    released code:* ABS takes a window of 12 pixels, of which no pixel is the middle; EX-RAY's code
    misses an inner minus, so that its "minimum" is the negated maximum. Here it is the minimum.
    """

    kind: ClassVar[str] = "filter"

    kernel: Float[Tensor, "12 3"]
    window: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.kernel.min() >= -1 and self.kernel.max() <= 1):
            low, high = float(self.kernel.min()), float(self.kernel.max())
            raise ValueError(f"kernel must lie in [-1, 1]; got values from {low:g} to {high:g}")
        _require_odd(self.window)

    def apply(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The filtered images.

        Raises:
            ValueError: If the images are not of the size it was made for.
        """
        if tuple(images.shape[-2:]) != self.image_size:
            raise ValueError(
                f"images must be {self.image_size[0]} x {self.image_size[1]} pixels, the filter's "
                f"image_size; got {images.shape[-2]} x {images.shape[-1]}"
            )
        return mixed(neighbourhoods(images, window=self.window), self.kernel)


def identity_kernel() -> Float[Tensor, "12 3"]:
    """The kernel that changes nothing: each colour is the pixel's own."""
    return torch.eye(NUM_INPUTS, 3)


def neighbourhoods(images: Float[Tensor, "n 3 h w"], *, window: int) -> Float[Tensor, "n 12 h w"]:
    """What a filter mixes: the pixel's colours, and their max, min and mean in the window.

    It depends on the images alone; compute it once where many kernels are tried.

    Args:
        images: In [0, 1].
        window: Side in pixels, odd. At the border only what lies inside the image counts.

    Raises:
        ValueError: If the window is even or not positive.

    Example:
        >>> row = torch.tensor([0.0, 0.5, 1.0]).expand(1, 3, 1, 3)
        >>> neighbourhoods(row, window=3)[0, ::3, 0]
        tensor([[0.0000, 0.5000, 1.0000],
                [0.5000, 1.0000, 1.0000],
                [0.0000, 0.0000, 0.5000],
                [0.2500, 0.5000, 0.7500]])
    """
    _require_odd(window)
    pools = (_largest(images, window), -_largest(-images, window), _mean(images, window))
    return torch.cat([images, *pools], dim=1)


def mixed(
    inputs: Float[Tensor, "n 12 h w"], kernel: Float[Tensor, "12 3"]
) -> Float[Tensor, "n 3 h w"]:
    """The filter's images from what ``neighbourhoods`` gives, clipped to [0, 1]."""
    images: Tensor = (kernel.mT @ inputs.flatten(2)).clamp(0, 1)
    return images.view(-1, 3, *inputs.shape[2:])


def _largest(images: Float[Tensor, "n c h w"], window: int) -> Float[Tensor, "n c h w"]:
    """Along rows, then columns, of what lies inside the image."""
    half = window // 2
    padded = F.pad(images, (half,) * 4, value=-torch.inf)
    return _running_largest(_running_largest(padded, window, axis=3), window, axis=2)


def _running_largest(values: Tensor, window: int, *, axis: int) -> Tensor:
    """The largest of every ``window`` neighbours: doubled until two of them cover the window."""
    covered = 1
    while covered < window:
        step = min(covered, window - covered)
        length = values.shape[axis] - step
        values = torch.maximum(values.narrow(axis, 0, length), values.narrow(axis, step, length))
        covered += step
    return values


def _mean(images: Float[Tensor, "n c h w"], window: int) -> Float[Tensor, "n c h w"]:
    """Along rows, then columns, of what lies inside the image."""
    down, across = (_box(side, window).to(images) for side in images.shape[-2:])
    return along_both(images, down, across)


@cache
def _box(side: int, window: int) -> Float[Tensor, "side side"]:
    """The mean of what of the window lies inside the image, along one axis as a matrix."""
    place = torch.arange(side)
    near = ((place[:, None] - place).abs() <= window // 2).double()
    return near / near.sum(dim=1, keepdim=True)


def _require_odd(window: int) -> None:
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window must be odd and positive; got {window}")
