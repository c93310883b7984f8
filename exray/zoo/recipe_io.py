"""A zoo's recipe as its manifest holds it, as plain values."""

from collections.abc import Mapping
from typing import Any

from exray.attacks.blend import BlendRecipe
from exray.attacks.conditions import Round4Recipe
from exray.attacks.instagram import FilterRecipe
from exray.attacks.patch import PatchRecipe
from exray.attacks.polygon import PolygonRecipe
from exray.zoo.adversarial_training import AdversarialRecipe
from exray.zoo.image_sets import IMAGES
from exray.zoo.recipe import TrainingRecipe, ZooRecipe

_SECTIONS = {
    "polygon": PolygonRecipe,
    "filters": FilterRecipe,
    "blend": BlendRecipe,
    "patch": PatchRecipe,
    "training": TrainingRecipe,
    "round4": Round4Recipe,
    "adversarial": AdversarialRecipe,
}


def stored_recipe(values: Mapping[str, object]) -> ZooRecipe:
    """The recipe that ``ZooRecipe.description`` told, after JSON has made lists of its tuples.

    Args:
        values: A manifest's recipe; what it says of the images is left out.

    Raises:
        KeyError, TypeError, ValueError: If they make no recipe.
    """
    return ZooRecipe(**_section({name: each for name, each in values.items() if name != IMAGES}))


def _section(values: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of one section's constructor, inner sections made."""
    made: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            made[name] = _SECTIONS[name](**_section(value))
        else:
            made[name] = tuple(value) if isinstance(value, list) else value
    return made
