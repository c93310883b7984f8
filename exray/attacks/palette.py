"""Which colours the drawn triggers of an attack have."""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

Palette = Literal["any", "vivid", "grey"]
"""Black, white and the six pure colours; the six alone; black, white and the grey between."""

_VIVID = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (1, 0, 1))
_MIDDLE = 0.5


def random_colours(
    random: np.random.Generator, palette: Palette, size: tuple[int, int]
) -> Float[Tensor, "3 h w"]:
    """A colour for each cell of a grid.

    A single grey cell is of the grey between, since that shows on light and on dark images.

    Args:
        random: Source of all choices.
        palette: Which colours there are.
        size: Rows and columns.
    """
    if palette == "any":
        return torch.from_numpy(random.integers(0, 2, size=(3, *size)).astype(np.float32))
    if palette == "vivid":
        colours = np.array(_VIVID, dtype=np.float32)[random.integers(len(_VIVID), size=size)]
        return torch.from_numpy(colours).permute(2, 0, 1).contiguous()
    levels = random.integers(0, 3, size=size).astype(np.float32) / 2
    if levels.size == 1:
        levels[:] = _MIDDLE
    return torch.from_numpy(levels).expand(3, *size).clone()
