"""A choice is written with the records that it was made on."""

import json
from dataclasses import replace

import pytest

from exray.app.tasks.choice_files import Run, provenance, write_choice
from exray.evaluation.rejudging.threshold_choice import Choice, ChoiceResult
from exray.results.collection import collect
from exray.results.model_scan import ModelScan
from exray.results.store import ResultStore

CONFIG = {
    "dataset": {"name": "signs", "half": "tuning", "recipe": {"seed": 100}},
    "scanner": {"name": "abs"},
    "judge": {"name": "exray"},
    "seed": 3,
}


class Fixed(Choice):
    """Chooses the same whatever it is given."""

    name = "fixed"

    def __init__(self, file=None):
        self.file = file

    def choose(self, records, triggers):
        del records, triggers
        return ChoiceResult(predictions=[], content={"similarity": 0.7}, how={"from": "nothing"})


def run_of(store):
    """The run of a store, by its name."""
    return {store.root.name: Run(collection=collect(store), store=store)}


@pytest.fixture
def write(tmp_path, stored_record, stored_trigger):
    """A run's store: two trojaned models, a clean one, one of unknown truth."""

    def written(name="run", **truth):
        store = ResultStore(tmp_path / name)
        store.claim("r", CONFIG)
        for model_id, is_trojaned in (("a", True), ("b", True), ("c", False), ("d", None)):
            record = stored_record(model_id, is_trojaned, 0.6)
            record = replace(record, truth={**record.truth, **truth})
            store.write(ModelScan(record=record, triggers=(stored_trigger(0.6),)))
        return store

    return written


def test_the_provenance_counts_what_has_known_truth_and_copies_the_configuration(write):
    store = write()
    origin = provenance(collect(store), store.config(), {"from": "nothing"})
    assert (origin["num_models"], origin["num_trojaned"], origin["num_triggers"]) == (3, 2, 4)
    assert origin["trigger_kinds"] == {"none": 1, "polygon": 2}
    assert (origin["zoo"], origin["half"], origin["zoo_seed"]) == ("signs", "tuning", 100)
    assert (origin["scanner"], origin["judge"], origin["layer"]) == ("abs", "exray", None)
    assert (origin["scan_seed"], origin["run_ids"], origin["from"]) == (3, ["r"], "nothing")


@pytest.mark.parametrize(
    ("name", "argument"),
    [("run", "name=run"), ("sweep/judge=exray", "\"name='sweep/judge=exray'\"")],
)
def test_a_choice_is_written_with_the_command_that_makes_it(write, name, argument):
    store = write(name)
    assert write_choice(Fixed(), run_of(store)) == []
    written = json.loads((store.root / "rejudged" / "fixed.json").read_text())
    assert written["similarity"] == 0.7
    command = f"python run.py task=rejudge rejudge=fixed {argument}"
    assert written["provenance"]["command"] == command


def test_the_command_repeats_what_bears_on_the_choice_and_no_place_of_this_machine(write):
    words = ["task=rejudge", "rejudge=fixed", "name=run", "paths.results=/here", "seed=3"]
    words += ["rejudge.runs=[a]", "rejudge.file=/here/x.json", "rejudge.grid=[0.5,0.6]"]
    store = write()
    write_choice(Fixed(), run_of(store), words=words)
    written = json.loads((store.root / "rejudged" / "fixed.json").read_text())
    command = "python run.py task=rejudge rejudge=fixed name=run seed=3 'rejudge.grid=[0.5,0.6]'"
    assert written["provenance"]["command"] == command


def test_a_file_that_is_named_is_written_instead(write, tmp_path):
    store = write()
    path = tmp_path / "new" / "mine.json"
    write_choice(Fixed(str(path)), run_of(store))
    assert json.loads(path.read_text())["similarity"] == 0.7
    assert not (store.root / "rejudged").exists()


def test_nothing_is_chosen_on_models_kept_for_reporting(write):
    store = write(reserved=True)
    with pytest.raises(ValueError, match="holds a, which is kept for reporting; choose on a run"):
        write_choice(Fixed(), run_of(store))
    assert not (store.root / "rejudged").exists()
