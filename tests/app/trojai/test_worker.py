"""The reply that the worker owes, whatever happened to the scan."""

import json
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from exray.app.config import register
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
    assert (answer["reason"], answer["warnings"]) == (reason, list(warnings))


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


@pytest.mark.parametrize(
    ("device", "overrides", "scanner"),
    [
        ("cuda", [], "portfolio"),
        ("cpu", [], "abs"),
        ("cpu", ["scanner=portfolio"], "portfolio"),
        ("cpu", ["~scanner.engine.searches.warp"], "portfolio"),
    ],
)
def test_a_round_is_searched_for_every_kind_where_there_is_time(
    monkeypatch, device, overrides, scanner
):
    register()
    monkeypatch.setattr(worker, "device_of", lambda _: torch.device(device))
    config, notes = worker.composed(4, overrides)
    assert (config.scanner.name, config.judge.name) == (scanner, "exray_calibrated")
    assert bool(notes) == (scanner == "abs")


def test_what_was_not_looked_for_is_in_the_reply(monkeypatch, tmp_path):
    monkeypatch.setattr(worker, "scan_one", lambda *_: scanned(Verdict.CLEAN, "first"))
    monkeypatch.setattr(worker, "device_of", lambda _: torch.device("cpu"))
    answer = tmp_path / "answer.json"
    task = {"model": str(MODEL), "examples": str(EXAMPLES), "answer": str(answer)}
    (tmp_path / "task.json").write_text(json.dumps(task | {"round": 4, "overrides": []}))
    worker.main([str(tmp_path / "task.json")])
    note, warning = json.loads(answer.read_text())["warnings"]
    assert "scanner=portfolio looks for every kind of trigger" in note
    assert warning == "first"
