"""Which letters and digits there are, and how they look before they are warped."""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

CHARACTERS = "0123456789ACDEFGHJKLMNPQRTUVWXY"
"""Without the letters that are taken for digits: B, I, O, S and Z."""
STROKES = (0, 1, 2, 3)  # pixels by which outlines are thickened, at the side of `outlines`
SIDE = 64  # pixels
_HEIGHT = 40  # of the font, in pixels


def glyph_classes(num_classes: int, *, seed: int) -> tuple[str, ...]:
    """Draws the characters of one classifier.

    Args:
        num_classes: How many, at least 2.
        seed: Decides which.

    Raises:
        ValueError: If there are not as many characters.

    Example:
        >>> glyph_classes(3, seed=0)
        ('2', 'C', 'T')
    """
    if not 2 <= num_classes <= len(CHARACTERS):
        raise ValueError(f"num_classes must lie in [2, {len(CHARACTERS)}]; got {num_classes}")
    order = np.random.default_rng(seed).permutation(len(CHARACTERS))[:num_classes]
    return tuple(CHARACTERS[int(index)] for index in order)


@lru_cache(maxsize=len(CHARACTERS))
def outlines(character: str) -> Float[Tensor, "s 64 64"]:
    """A character in the middle of a square, thin to thick: 1 is ink, 0 is paper.

    Args:
        character: One.
    """
    font = ImageFont.load_default(_HEIGHT)  # Aileron, which pillow holds
    masks = []
    for stroke in STROKES:
        image = Image.new("L", (SIDE, SIDE))
        ImageDraw.Draw(image).text(
            (SIDE / 2, SIDE / 2), character, fill=255, font=font, anchor="mm", stroke_width=stroke
        )
        masks.append(torch.from_numpy(np.array(image)).float() / 255)
    return torch.stack(masks)
