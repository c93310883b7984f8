"""Zoos of letters and digits."""

from exray.datasets.zoo import ZooDataset
from exray.zoo.glyph_images import GlyphImages
from exray.zoo.recipe import Half, ZooRecipe


def glyph_zoo(
    *, name: str, root: str, recipe: ZooRecipe, half: Half | None, reserved: bool = False
) -> ZooDataset:
    """A zoo of classifiers of letters and digits.

    Args:
        name: What records call it.
        root: The zoo's folder.
        recipe: How to build it.
        half: ``tuning`` or ``reporting`` for that half alone; None for all.
        reserved: Whether its classifiers are kept for reporting.
    """
    return ZooDataset(
        name=name, root=root, recipe=recipe, images=GlyphImages(), half=half, reserved=reserved
    )
