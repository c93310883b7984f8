"""The reply that the worker owes, whatever happened to the scan."""

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from exray.app.trojai import worker
from exray.pipeline.classifier_scan import ClassifierScan
from exray.rules.verdict import Verdict

MODEL, EXAMPLES = Path("model.pt"), Path("examples")


def scanned(verdict, *warnings):
    return ClassifierScan(
        verdict=verdict,
        probability=0.75,
        num_classes=3,
        class_names=("a", "b", "c"),
        clean_accuracy=1.0,
        warnings=warnings,
        seconds={},
    )


@pytest.mark.parametrize(
    ("verdict", "reason"), [(Verdict.TROJANED, ""), (Verdict.INCONCLUSIVE, "inconclusive: why")]
)
def test_a_scan_is_told_and_an_inconclusive_one_says_why(monkeypatch, verdict, reason):
    warnings = ("first", "inconclusive: why")
    monkeypatch.setattr(worker, "scan_one", lambda *_: scanned(verdict, *warnings))
    answer = worker.reply(MODEL, EXAMPLES, OmegaConf.create({}))
    assert (answer["probability"], answer["verdict"]) == (0.75, verdict.value)
    assert (answer["reason"], answer["warnings"]) == (reason, warnings)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(ValueError("two\n  lines"), "two lines"), (RuntimeError(), "RuntimeError")],
)
def test_a_failure_is_a_reply_of_one_line(monkeypatch, error, reason):
    def failing(*_):
        raise error

    monkeypatch.setattr(worker, "scan_one", failing)
    answer = worker.reply(MODEL, EXAMPLES, OmegaConf.create({}))
    assert (answer["probability"], answer["verdict"]) == (0.5, "failed")
    assert (answer["reason"], answer["warnings"]) == (reason, [])


def test_a_task_file_says_what_to_scan_and_where_to_answer(monkeypatch, tmp_path):
    configs = []

    def scan_one(model, examples, config):
        assert (model, examples) == (MODEL, EXAMPLES)
        configs.append(config)
        return scanned(Verdict.CLEAN)

    monkeypatch.setattr(worker, "scan_one", scan_one)
    answer = tmp_path / "answer.json"
    task = {"model": str(MODEL), "examples": str(EXAMPLES), "answer": str(answer)}
    task |= {"round": 3, "overrides": ["judge=none", "seed=4"]}
    (tmp_path / "task.json").write_text(json.dumps(task))
    worker.main([str(tmp_path / "task.json")])
    (config,) = configs
    assert (config.dataset.name, config.judge.name, config.seed) == ("trojai_r3", "none", 4)
    assert json.loads(answer.read_text())["verdict"] == "clean"


def test_a_round_is_scanned_as_a_strangers_model_is(monkeypatch, tmp_path):
    configs = []
    monkeypatch.setattr(
        worker, "scan_one", lambda *given: configs.append(given[2]) or scanned(Verdict.CLEAN)
    )
    task = {"model": str(MODEL), "examples": str(EXAMPLES), "answer": str(tmp_path / "answer.json")}
    (tmp_path / "task.json").write_text(json.dumps(task | {"round": 4, "overrides": []}))
    worker.main([str(tmp_path / "task.json")])
    assert (configs[0].scanner.name, configs[0].judge.name) == ("portfolio", "exray_calibrated")
