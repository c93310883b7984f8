"""A zoo's recipe as its manifest holds it, as plain values."""

from collections.abc import Mapping

from exray.attacks.recipe import recipe_from
from exray.schema import at, constructed, converted
from exray.zoo.image_sets import IMAGES
from exray.zoo.recipe import ZooRecipe

# Where format 1 held what is now under ``attacks``: count, section, and the attack's kind.
_FORMAT_1 = (
    ("num_polygon", "polygon", "polygon"),
    ("num_filter", "filters", "instagram"),
    ("num_blend", "blend", "blend"),
    ("num_patch", "patch", "patch"),
)


def stored_recipe(values: Mapping[str, object]) -> ZooRecipe:
    """The recipe that ``ZooRecipe.description`` gave, after JSON has made lists of its tuples.

    Args:
        values: A manifest's recipe, also of format 1; what it says of the images is left out.

    Raises:
        ValueError: If they make no recipe; names the value.
    """
    options = upgraded(values)
    options.pop(IMAGES, None)
    attacks = {}
    for name, section in converted(options.pop("attacks"), dict).items():
        with at(f"attacks.{name}"):
            attacks[name] = recipe_from(converted(section, dict))
    return constructed(options, ZooRecipe, ready={"attacks": attacks})


def upgraded(values: Mapping[str, object]) -> dict[str, object]:
    """A stored recipe as it is written today.

    Format 1, which manifests without a format number have, held a count and a section per kind of
    attack that was known then.

    Args:
        values: A stored recipe of either format.

    Raises:
        ValueError: If a count has no section.
    """
    if "attacks" in values:
        return dict(values)
    old = {key for keys in _FORMAT_1 for key in keys[:2]}
    attacks: dict[str, object] = {}
    for block, (count, section, kind) in enumerate(_FORMAT_1):
        if values.get(count):
            with at(section):
                options = converted(values.get(section), dict)
            attacks[kind] = {"kind": kind, "count": values[count], "block": block, **options}
    return {name: value for name, value in values.items() if name not in old} | {"attacks": attacks}
