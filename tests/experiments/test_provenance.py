"""Where an experiment's records come from, as its page says it."""

import pytest

from exray.experiments.provenance import commands, costs, facts, scanning_seconds, zoo
from exray.experiments.runs import ExperimentRun
from exray.results.collection import collect
from exray.results.model_scan import ModelScan
from exray.results.records import ScanRecord
from exray.results.store import ResultStore
from exray.rules.verdict import Verdict


@pytest.fixture
def store_cell(tmp_path):
    """Stores models given as id, kind of trigger (None: unknown truth) and seconds."""

    def write(judge, models, *, run_id="r", **config):
        store = ResultStore(tmp_path / f"judge={judge}")
        store.claim(run_id, {"dataset": config})
        for model_id, kind, seconds in models:
            is_trojaned = None if kind is None else bool(kind)
            record = ScanRecord(
                model_id=model_id,
                run_id=run_id,
                status="done",
                verdict=Verdict.CLEAN,
                probability=0.1,
                dataset="signs",
                scanner="abs",
                layer="middle",
                architecture="vgg" if kind else "resnet",
                judge=judge,
                seconds=seconds,
                truth={"is_trojaned": is_trojaned, "trigger": kind or ""},
                is_trojaned=is_trojaned,
                seed=7,
            )
            store.write(ModelScan(record=record))
        return store

    return write


def test_a_command_names_no_folder_of_this_machine():
    words = ["experiment=table_1", "paths.results=/home/a", "+logger.project=x", "seed=1"]
    assert commands("table_1", words) == ["python run.py experiment=table_1 seed=1"]
    assert commands("table_1", ["dataset.root=/data/zoo", "seed=1"]) == [
        "python run.py seed=1 dataset.root=ZOO"
    ]
    photographs = ["experiment=table_8", "dataset.root=/data/cifar", "dataset.zoo=/data/zoo"]
    assert commands("table_8", photographs) == [
        "python run.py experiment=table_8 dataset.root=IMAGES dataset.zoo=ZOO"
    ]
    assert commands("table_1", ["hydra.mode=RUN"]) == ["python run.py task=tabulate name=table_1"]


def test_a_zoo_is_told_by_its_models_kinds_and_seed(store_cell, tmp_path):
    models = [("a", "polygon", {}), ("b", "", {}), ("c", None, {})]
    recipe = {"seed": 100, "num_clean": 3, "attacks": {"polygon": {"count": 2, "num_victims": 9}}}
    store_cell("exray", models, recipe=recipe, half="tuning")
    store_cell("l2", models[:2], recipe=recipe, half="tuning")
    run = ExperimentRun.read(tmp_path)
    expected = (
        "signs, the tuning half, 3 of its 5 models (1 clean, 1 polygon, 1 of unknown truth), "
        "seed 100"
    )
    assert zoo(run) == facts(run)["zoo"] == expected
    assert facts(run)["networks"] == "resnet, vgg"
    assert facts(run)["seed"] == "7"


def test_a_zoo_without_a_recipe_has_no_total(store_cell, tmp_path):
    store_cell("exray", [("a", "polygon", {}), ("b", "", {})])
    assert zoo(ExperimentRun.read(tmp_path)) == "signs, 2 models (1 clean, 1 polygon), seed -"


def test_the_scanners_seconds_are_counted_once_for_each_model(store_cell):
    fresh = store_cell("exray", [("a", "", {"inversion": 4.0}), ("b", "", {"inversion": 5.0})])
    cached = store_cell(
        "l2",
        [("a", "", {"inversion": 0.1, "kept_inversion": 4.0}), ("c", "", {"kept_inversion": 7.0})],
    )
    again = store_cell("none", [("c", "", {"kept_inversion": 7.0})])
    stores = [collect(store) for store in (fresh, cached, again)]
    assert scanning_seconds(stores) == 4 + 5 + 7
    assert scanning_seconds(stores[1:]) == 4 + 7
    other = store_cell("other", [("a", "", {"inversion": 6.0})], run_id="r2")
    assert scanning_seconds([collect(fresh), collect(other)]) == 4 + 5 + 6


def test_judging_is_summed_for_each_cell(store_cell, tmp_path):
    store_cell("exray", [("a", "", {"judgement": 1.5}), ("b", "", {"judgement": 2.0})])
    store_cell("l2", [("a", "", {"judgement": 0.5})])
    cells = ExperimentRun.read(tmp_path).cells("")
    assert costs(cells) == [("exray", 2, 3.5), ("l2", 1, 0.5)]
