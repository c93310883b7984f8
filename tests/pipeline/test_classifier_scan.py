"""How a scan becomes a record and its triggers."""

from dataclasses import replace

import pytest

from exray.datasets.base import Truth
from exray.judges.base import JudgedTrigger, Judgement
from exray.pipeline.classifier_scan import ClassifierScan, RunLabels
from exray.results.records import ScanRecord
from exray.rules.verdict import Verdict
from exray.scanners.base import ScannerResult, SearchReport
from exray.storage.plain_json import from_json, to_json


def judged(trigger, *, is_injected):
    measured = replace(trigger, measurements={"restarts": 2.0})
    judgement = Judgement(
        is_injected=is_injected,
        score=0.9 if is_injected else 0.1,
        reason="",
        measurements={"similarity": 0.5},
        thresholds={"similarity": 0.8},
    )
    return JudgedTrigger(trigger=measured, judgement=judgement)


@pytest.fixture
def scan(white_patch, green_tint):
    tint = replace(green_tint, victim_class=2)
    return ClassifierScan(
        verdict=Verdict.TROJANED,
        probability=0.9,
        triggers=(judged(white_patch, is_injected=True), judged(tint, is_injected=False)),
        scanner_result=ScannerResult(triggers=(), num_candidates=6, flags=True, score=0.7),
        num_classes=3,
        class_names=("red", "green", "blue"),
        clean_accuracy=1.0,
        warnings=("one",),
        seconds={"total": 2.0},
    )


def stored(scan, **changes):
    return scan.model_scan(RunLabels(), **{"model_id": "m", "architecture": "own", **changes})


def test_triggers_are_counted_named_and_numbered(scan):
    outcome = stored(scan)
    record = outcome.record
    assert (record.num_triggers, record.num_injected, record.num_candidates) == (2, 1, 6)
    assert (record.scanner_flags, record.scanner_score) == (True, 0.7)
    assert (record.warnings, record.seconds) == (["one"], {"total": 2.0})
    assert [trigger.index for trigger in outcome.triggers] == [0, 1]
    names = [(trigger.victim_name, trigger.target_name) for trigger in outcome.triggers]
    assert names == [("red", "green"), ("blue", "green")]
    assert outcome.triggers[0].measurements == {"restarts": 2.0, "similarity": 0.5}
    assert outcome.triggers[0].thresholds == {"similarity": 0.8}


def test_labels_and_the_files_report_are_copied(scan):
    labels = RunLabels(run_id="r", dataset="d", scanner="s", judge="j", layer="l", seed=3)
    record = scan.model_scan(
        labels, model_id="m", architecture="own", file_report={"tensors": 4}
    ).record
    assert (record.run_id, record.dataset, record.scanner) == ("r", "d", "s")
    assert (record.judge, record.layer, record.seed) == ("j", "l", 3)
    assert (record.model_id, record.architecture, record.look) == ("m", "own", {"tensors": 4})


def test_what_was_searched_is_recorded_and_comes_back_from_json(scan):
    report = SearchReport(
        name="patch", num_candidates=3, num_found=0, best_strength=-2.5, image_passes=9, seconds=0.5
    )
    answer = replace(scan.scanner_result, searches=(report,))
    record = stored(replace(scan, scanner_result=answer)).record
    again = ScanRecord.from_dict(from_json(to_json(record.to_dict()).decode()))
    assert SearchReport(**again.searches[0]) == report
    assert stored(scan).record.searches == []


def test_a_true_trigger_is_one_of_a_true_pair(scan):
    assert [trigger.is_true_trigger for trigger in stored(scan).triggers] == [None, None]
    truth = Truth(is_trojaned=True, pairs=frozenset({(2, 1)}))
    outcome = stored(scan, truth=truth)
    assert [trigger.is_true_trigger for trigger in outcome.triggers] == [False, True]
    assert outcome.record.is_trojaned is True
    assert outcome.record.truth == truth.to_dict()


def test_a_scanner_without_an_answer_flags_nothing(scan):
    record = stored(replace(scan, scanner_result=None)).record
    assert (record.scanner_flags, record.scanner_score, record.num_candidates) == (None, None, 0)
    silent = replace(scan.scanner_result, inconclusive="too few norms")
    record = stored(replace(scan, scanner_result=silent)).record
    assert (record.scanner_flags, record.scanner_score) == (None, 0.7)
