"""The committed manifests of the zoo of zoos."""

from collections import Counter
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


@of_each
def test_no_two_classifiers_of_a_zoo_have_a_seed_in_common(root: Path):
    seeds = [entry.seed for entry in open_zoo(root).manifest().models]
    assert len(set(seeds)) == len(seeds)


def test_the_seeds_that_two_zoos_share_are_those_that_the_manual_counts():
    """The zoos' seeds lie 1,000,000 apart, and so do those of a model's attempts."""
    counts = Counter(entry.seed for root in ZOOS for entry in open_zoo(root).manifest().models)
    shared = [seed for seed, count in counts.items() if count > 1]
    assert sorted(shared) == [
        4_000_012,
        4_040_002,
        4_070_002,
        5_010_003,
        5_030_002,
        5_040_003,
        5_050_001,
        5_070_001,
        6_060_003,
        62_000_000,
        62_000_001,
        62_000_002,
        62_000_007,
        62_000_014,
        62_000_016,
        62_000_018,
        62_010_001,
        63_000_005,
        63_000_011,
        64_000_000,
        64_000_001,
        64_000_002,
        64_000_003,
        64_000_004,
        64_000_005,
        64_000_006,
        64_000_007,
        64_000_010,
        64_010_001,
        64_030_000,
        64_050_000,
        64_060_000,
        64_060_001,
        64_090_000,
        65_000_000,
        65_030_000,
        65_080_000,
        66_000_005,
        66_050_000,
        76_050_000,
        77_010_001,
    ]
    assert max(counts.values()) == 2
