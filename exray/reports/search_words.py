"""What scanners look for, in words."""

from collections.abc import Mapping
from types import MappingProxyType

SEARCH_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "patch": "patches of any colours",
        "small_patch": "patches down to one pixel",
        "many_targets": "one patch that sends every class to a target of its own",
        "picture": "pictures blended into the whole image",
        "filter": "colour filters",
        "warp": "smooth warps",
        "sinusoid": "waves",
        "instagram": "the Instagram filters of TrojAI",
    }
)
"""The searches of ``scanner=portfolio``."""

SCANNER_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "abs": "patches of one colour between two classes",
        "abs_filter": "colour filters",
        "abs_both": "patches of one colour between two classes, and colour filters",
        "abs_free": "patches of any colours between two classes",
        "abs_r2": "small patches of one colour between two classes",
        "abs_r4": "patches of one colour between two classes",
        "neural_cleanse": "the smallest pattern for each target",
        "k_arm": "the smallest patches, universal and between two classes",
        "k_arm_symmetric": "the smallest patches, universal and between two classes",
        "sri_re": "soft patches and recolourings of each class",
        "sri_cls": "soft patches and recolourings of each class",
        "external": "nothing: the triggers were given",
    }
)
"""Scanners of a single search."""

NEVER_SEARCHED = (
    "reflections, mixtures of two objects, everyday objects or scenes as triggers, and whatever "
    "exceeds the searches' bounds in size or strength"
)
"""Kinds of trigger that no scanner here looks for."""


def search_words(name: str) -> str:
    """What a search of the portfolio looks for; its name where that is not known.

    Args:
        name: Of the search.

    Example:
        >>> search_words("warp"), search_words("mine")
        ('smooth warps', 'mine')
    """
    return SEARCH_WORDS.get(name, name)
