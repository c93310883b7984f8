"""Small images for reports: masks as in the paper's Fig. 5, pictures as data URIs."""

import base64
import io

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image

JPEG_QUALITY = 80
COLUMNS = 16
BLOCK = 8
GAP = 1
KEPT = (178, 182, 189)
PARTLY = (250, 190, 186)
COPIED = (203, 36, 49)
PAPER = (246, 247, 249)
FIRST_ONLY = (46, 113, 201)
SECOND_ONLY = (240, 160, 40)
SHARED = (120, 40, 140)
VISIBLE = 0.02  # a channel copied by less than this is drawn as kept


def png_data_uri(image: UInt8[ndarray, "h w 3"]) -> str:
    """An image as a ``data:`` address, so that a page needs no second file.

    Args:
        image: RGB.

    Example:
        >>> png_data_uri(np.zeros((1, 1, 3), np.uint8))[:22]
        'data:image/png;base64,'
    """
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def jpeg_data_uri(image: UInt8[ndarray, "h w 3"]) -> str:
    """A photograph as a ``data:`` address of a third of a PNG's length, or less.

    Colours keep the resolution of brightness, so that a trigger of few pixels stays sharp.

    Args:
        image: RGB.

    Example:
        >>> jpeg_data_uri(np.zeros((8, 8, 3), np.uint8))[:23]
        'data:image/jpeg;base64,'
    """
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def shrink(image: UInt8[ndarray, "h w 3"], longest: int) -> UInt8[ndarray, "h2 w2 3"]:
    """An image whose longer side is at most ``longest`` pixels; smaller ones are left alone.

    Args:
        image: RGB.
        longest: Pixels.

    Example:
        >>> shrink(np.zeros((200, 100, 3), np.uint8), 50).shape
        (50, 25, 3)
    """
    picture = Image.fromarray(image)
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def mask_strip(mask: Float[ndarray, " c"]) -> UInt8[ndarray, "h w 3"]:
    """A mask as blocks in rows of 16, a block per channel.

    Gray is a channel that is kept, red one whose whole feature map is copied, light red one in
    between, the redder the more.

    Args:
        mask: How much of each channel is copied, in [0, 1].

    Raises:
        ValueError: If the mask leaves [0, 1] or has no channel.

    Source: EX-RAY, figure 5.
    """
    values = _checked(mask)[:, None]
    colours = (1 - values) * np.array(PARTLY) + values * np.array(COPIED)
    return _blocks(np.where(values < VISIBLE, np.array(KEPT), colours))


def mask_overlap(
    first: Float[ndarray, " c"], second: Float[ndarray, " c2"]
) -> UInt8[ndarray, "h w 3"]:
    """Two masks in one drawing: purple where both copy, blue or orange where only one does.

    The shared part of a channel is ``min(first, second)``; similar masks are mostly purple.

    Args:
        first: Drawn blue.
        second: Drawn orange.

    Raises:
        ValueError: If a mask leaves [0, 1], has no channel, or the two differ in length.
    """
    one, two = _checked(first)[:, None], _checked(second)[:, None]
    if one.shape != two.shape:
        raise ValueError(f"masks must have as many channels; got {len(one)} and {len(two)}")
    shared, covered = np.minimum(one, two), np.maximum(one, two)
    colours = shared * np.array(SHARED) + (1 - covered) * np.array(KEPT)
    colours += (one - shared) * np.array(FIRST_ONLY) + (two - shared) * np.array(SECOND_ONLY)
    return _blocks(colours)


def _checked(mask: Float[ndarray, " c"]) -> Float[ndarray, " c"]:
    if mask.size == 0 or not (mask.min() >= 0 and mask.max() <= 1):
        raise ValueError(f"mask must hold channels in [0, 1]; got {mask.size} channels: {mask}")
    return mask.astype(np.float64)


def _blocks(colours: Float[ndarray, "c 3"]) -> UInt8[ndarray, "h w 3"]:
    """A grid of square blocks on paper, a row of blocks per 16 colours."""
    rows, step = -(-len(colours) // COLUMNS), BLOCK + GAP
    grid = np.full((rows * COLUMNS, 3), PAPER, np.uint8)
    grid[: len(colours)] = np.rint(colours)
    blocks = np.full((rows, step, COLUMNS, step, 3), PAPER, np.uint8)
    blocks[:, GAP:, :, GAP:] = grid.reshape(rows, 1, COLUMNS, 1, 3)
    image = np.full((rows * step + GAP, COLUMNS * step + GAP, 3), PAPER, np.uint8)
    image[:-GAP, :-GAP] = blocks.reshape(rows * step, COLUMNS * step, 3)
    return image
