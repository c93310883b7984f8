"""The committed manifest of the zoo that tables are made of."""

import json
from pathlib import Path

from exray.zoo.summary import summary_markdown
from exray.zoo.zoo_source import open_zoo

ROOT = Path(__file__).parents[2] / "experiments" / "signs_zoo"


def test_it_holds_what_its_recipe_asks_for_in_two_halves_without_a_common_seed():
    zoo = open_zoo(ROOT)
    truths = [zoo.truth(model_id) for model_id in zoo.model_ids()]
    kinds = [(truth["half"], truth.get("trigger", "clean")) for truth in truths]
    for half in ("tuning", "reporting"):
        counts = {kind: kinds.count((half, kind)) for kind in {kind for _, kind in kinds}}
        assert counts == {"clean": 12, "polygon": 6, "instagram": 6, "blend": 2, "patch": 2}
    seeds = [entry.seed for entry in zoo.manifest().models]
    assert len(set(seeds)) == 56


def test_its_summary_is_that_of_its_manifest():
    zoo = open_zoo(ROOT)
    table = summary_markdown(zoo.manifest(), zoo.recipe)
    assert (ROOT / "summary.md").read_text() == table
    assert table in (ROOT / "README.md").read_text()


def test_it_meets_the_bars_of_the_preset():
    recipe = json.loads((ROOT / "manifest.json").read_text())["recipe"]
    for entry in open_zoo(ROOT).manifest().models:
        assert entry.clean_accuracy >= recipe["min_clean_accuracy"]
        assert entry.asr is None or entry.asr >= recipe["min_asr"]
