"""The committed manifests of the zoos that thresholds are chosen on and that tables are made of."""

import json
from pathlib import Path

import pytest

from exray.datasets.zoo import open_zoo
from exray.zoo.summary import summary_markdown

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
TUNING, REPORTING = EXPERIMENTS / "signs_zoo", EXPERIMENTS / "signs_reporting_zoo"
of_each = pytest.mark.parametrize("root", [TUNING, REPORTING], ids=lambda root: root.name)


def test_signs_holds_what_its_recipe_asks_for_in_two_halves():
    zoo = open_zoo(TUNING)
    truths = [zoo.truth(model_id) for model_id in zoo.model_ids()]
    kinds = [(truth.details["half"], truth.kind or "clean") for truth in truths]
    for half in ("tuning", "reporting"):
        counts = {kind: kinds.count((half, kind)) for kind in {kind for _, kind in kinds}}
        assert counts == {"clean": 12, "polygon": 6, "instagram": 6, "blend": 2, "patch": 2}


def test_signs_reporting_holds_what_its_recipe_asks_for():
    zoo = open_zoo(REPORTING)
    kinds = [zoo.truth(model_id).kind or "clean" for model_id in zoo.model_ids()]
    counts = {kind: kinds.count(kind) for kind in set(kinds)}
    assert counts == {"clean": 16, "polygon": 6, "instagram": 6, "blend": 2, "patch": 2}


def test_no_two_classifiers_of_the_two_have_a_seed_in_common():
    seeds = [
        entry.seed for root in (TUNING, REPORTING) for entry in open_zoo(root).manifest().models
    ]
    assert len(set(seeds)) == len(seeds) == 56 + 32


@of_each
def test_its_summary_is_that_of_its_manifest(root: Path):
    zoo = open_zoo(root)
    table = summary_markdown(zoo.manifest(), zoo.recipe)
    assert (root / "summary.md").read_text() == table
    assert table in (root / "README.md").read_text()


@of_each
def test_it_meets_the_bars_of_the_preset(root: Path):
    recipe = json.loads((root / "manifest.json").read_text())["recipe"]
    for entry in open_zoo(root).manifest().models:
        assert entry.clean_accuracy >= recipe["min_clean_accuracy"]
        assert entry.asr is None or entry.asr >= recipe["min_asr"]
