"""What is recorded of a repair: stages, triggers before and after, provenance."""

from dataclasses import replace

import pytest

from exray.datasets.base import Truth
from exray.presets.presets import component_named
from exray.repair.loop import repair_in_rounds
from exray.repair.recording import (
    pair_size_records,
    provenance,
    stage_record,
    unlearned_records,
)
from exray.rules.verdict import Verdict

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def repair(trojaned, clean_twin, colour_samples, scripted, settings, honest_scan):
    return repair_in_rounds(
        trojaned, colour_samples, scripted(clean_twin), settings, honest_scan, seed=0
    )


def test_a_trigger_is_recorded_with_what_it_does_before_and_after(repair):
    truth = Truth(is_trojaned=True, pairs=frozenset({(0, 1)}))
    (record,) = unlearned_records(repair, truth)
    assert (record.victim_name, record.target_name, record.source) == ("red", "green", "by hand")
    assert (record.asr_before, record.asr_after) == (1, 0)
    assert record.is_true_trigger is True
    (unknown,) = unlearned_records(repair, None)
    assert unknown.is_true_trigger is None


def test_a_stage_is_recorded_with_its_strongest_trigger(repair, white_patch, scan_of):
    weak, strong = (replace(white_patch, measurements={"strength": s}) for s in (1.0, 4.5))
    found = scan_of(Verdict.TROJANED, (weak, False), (strong, True), (white_patch, True))
    record = stage_record(replace(repair.before, scan=found))
    assert (record.num_triggers, record.num_injected, record.strength) == (3, 2, 4.5)
    assert (record.verdict, record.probability, record.accuracy) == ("trojaned", 0.9, 1)
    assert stage_record(repair.after).strength is None


def test_the_provenance_holds_both_stages_and_the_triggers(repair):
    told = provenance(repair, unlearned_records(repair, None))
    assert (told["num_learned"], told["num_held_out"], told["rounds"]) == (9, 9, 1)
    assert told["before"]["verdict"] == "trojaned"
    assert told["after"]["verdict"] == "clean"
    assert told["unlearned"][0]["asr_after"] == 0
    assert told["obstacles"] == []


def test_all_pairs_are_searched_before_and_after(repair):
    search = component_named(
        "scanner", "neural_cleanse", engine__layer="relu", kind="pairs", steps=60
    )
    records = {(r.victim_class, r.target_class): r for r in pair_size_records(repair, search)}
    assert list(records) == [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    assert records[0, 1].size_before < 0.7 * records[0, 1].size_after
