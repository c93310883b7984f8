"""What a zoo holds, in a table: per half and attack how many classifiers, and how well they do."""

from collections.abc import Sequence
from statistics import fmean

from exray.text import markdown_table
from exray.zoo.entries import ModelEntry
from exray.zoo.manifest import Manifest
from exray.zoo.recipe import ZooRecipe

_HEADER = (
    "half",
    "attack",
    "models",
    "options",
    "victims",
    "clean accuracy, mean (least)",
    "ASR, mean (least)",
    "attempts",
    "seconds a model",
)


def summary_markdown(manifest: Manifest, recipe: ZooRecipe) -> str:
    """A Markdown table of a built zoo, a row for each half and kind of attack.

    Accuracy and ASR are fractions on held-out images; ``attempts`` counts all trainings that the
    accepted classifiers took; seconds are those of the accepted training.

    Args:
        manifest: The zoo's contents.
        recipe: What it was built from; it says which half a classifier is in.
    """
    groups: dict[tuple[str, str], list[ModelEntry]] = {}
    for entry in manifest.models:
        half = recipe.half_of(int(entry.model_id.removeprefix("id-")))
        kind = entry.attack.kind if entry.attack else "clean"
        groups.setdefault((half, kind), []).append(entry)
    order = sorted(groups, key=lambda group: group[0] != "tuning")
    return markdown_table(_HEADER, [(*group, *_cells(groups[group])) for group in order])


def _cells(entries: Sequence[ModelEntry]) -> tuple[str, ...]:
    """All columns but the group's own."""
    attacks = [entry.attack for entry in entries if entry.attack]
    asr = [entry.asr for entry in entries if entry.asr is not None]
    accuracies = [entry.clean_accuracy for entry in entries]
    return (
        str(len(entries)),
        _counted([attack.option for attack in attacks]),
        _counted([str(len(attack.victim_classes)) for attack in attacks]),
        f"{fmean(accuracies):.4f} ({min(accuracies):.4f})",
        f"{fmean(asr):.4f} ({min(asr):.4f})" if asr else "",
        str(sum(entry.attempts for entry in entries)),
        f"{fmean(entry.training_seconds for entry in entries):.0f}",
    )


def _counted(words: Sequence[str]) -> str:
    """Each different word with how often it occurs, where more than once.

    Example:
        >>> _counted(["Lomo", "Kelvin", "Lomo"])
        'Kelvin, Lomo (2)'
    """
    return ", ".join(
        f"{word} ({words.count(word)})" if words.count(word) > 1 else word
        for word in sorted(set(words))
    )
