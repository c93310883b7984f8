"""The committed manifests of the zoo of zoos."""

from pathlib import Path

import pytest

from exray.datasets.zoo import open_zoo
from exray.zoo.candidate import bars
from exray.zoo.summary import summary_markdown

ZOOS = sorted(
    path.parent for path in (Path(__file__).parents[2] / "experiments/zoos").rglob("manifest.json")
)
of_each = pytest.mark.parametrize("root", ZOOS, ids=lambda root: root.name)


@of_each
def test_its_summary_is_that_of_its_manifest(root: Path):
    zoo = open_zoo(root)
    table = summary_markdown(zoo.manifest(), zoo.recipe)
    assert (root / "summary.md").read_text() == table
    assert table in (root / "README.md").read_text()


@of_each
def test_every_model_is_there_or_said_to_be_left_out_and_meets_its_bars(root: Path):
    zoo = open_zoo(root)
    manifest, recipe = zoo.manifest(), zoo.recipe
    ids = [entry.model_id for entry in manifest.models]
    assert sorted([*ids, *manifest.left_out]) == [f"id-{index:08d}" for index in recipe.places]
    for entry in manifest.models:
        shares = recipe.attack_of(int(entry.model_id.removeprefix("id-")))
        accuracy, worst, asr = bars(recipe, entry.variation, shares)
        assert entry.clean_accuracy >= accuracy
        assert entry.worst_class_accuracy >= worst
        assert entry.asr is None or entry.asr >= asr


def test_no_two_classifiers_have_a_seed_in_common():
    seeds = [entry.seed for root in ZOOS for entry in open_zoo(root).manifest().models]
    assert len(set(seeds)) == len(seeds)
