"""SRI-CLS's frozen logistic regression: the shipped numbers, and files that are no fit."""

from dataclasses import replace
from pathlib import Path

import pytest

from exray.scanners.sri.sri_cls import SHIPPED
from exray.scanners.sri.trojan_probability import TrojanProbability, read_trojan_probability

MODEL = TrojanProbability(weight=2.0, centre=1.0, scale=0.5, bias=0.25, provenance={"zoo": "none"})


@pytest.mark.parametrize(
    ("log_anomaly", "probability"),
    [  # the fit on tempered scans
        (0.0, 0.00041917275298660714),
        (1.0, 0.0013674228659735367),
        (2.0, 0.16001888173813386),
        (2.2, 0.46322036652705423),
        (2.5, 0.8913417787365495),
        (3.0, 0.9937995654880688),
        (4.0, 0.9994426294448829),
    ],
)
def test_the_shipped_fit_gives_the_probabilities_it_always_gave(log_anomaly, probability):
    model = read_trojan_probability(SHIPPED)
    assert model.probability(log_anomaly) == pytest.approx(probability, abs=1e-6)


def test_the_shipped_fit_has_its_provenance():
    provenance = read_trojan_probability(SHIPPED).provenance
    assert provenance["zoo"] == "signs"
    num_models = provenance["num_models"]
    assert num_models == len(provenance["model_ids"]) == sum(provenance["trigger_kinds"].values())
    assert {"zoo_sha256", "zoo_seed", "seed", "shapes", "code_sha256"} <= set(provenance)
    command = "python run.py task=fit dataset=signs dataset.root=ZOO"
    assert provenance["command"].startswith(command)
    figures = provenance["left_out"]["polygon"]
    assert set(figures) == {"balanced accuracy", "ROC-AUC", "cross-entropy"}
    assert figures["ROC-AUC"] >= 0.8
    assert {"penalty", "folds", "repeats", "seed"} <= set(provenance["fit"])
    assert str(Path.home()) not in str(provenance)


def test_a_stored_fit_is_read_back(tmp_path):
    MODEL.write(tmp_path / "folder" / "fit.json")
    assert read_trojan_probability(tmp_path / "folder" / "fit.json") == MODEL


def test_log_odds_are_bounded():
    assert MODEL.log_odds(1.0) == pytest.approx(0.25, abs=1e-3)
    assert MODEL.log_odds(1e6) == 8.0
    assert MODEL.log_odds(-1e6) == -8.0


@pytest.mark.parametrize(
    "content",
    [
        None,
        "no JSON",
        "[]",
        "{}",
        '{"kind": "calibration", "format": 1, "terms": [], "bias": 0, "provenance": {}}',
        '{"kind": "sri_cls", "format": 1, "terms": [], "bias": 0, "provenance": {}}',
        '{"kind": "sri_cls", "format": 1, "terms": [{}], "bias": 0, "provenance": {}}',
        '{"kind": "sri_cls", "format": 1, "terms": [{"feature": "log_oddity", "weight": "1", '
        '"centre": 0, "scale": 1}], "bias": 0, "provenance": {}}',
        '{"kind": "sri_cls", "format": 1, "terms": [{"feature": "log_oddity", "weight": 1, '
        '"centre": 0, "scale": 0}], "bias": 0, "provenance": {}}',
    ],
)
def test_a_file_that_is_no_fit_is_refused(tmp_path, content):
    path = tmp_path / "fit.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=r"classifier=.*holds no fit of SRI-CLS .*task=fit"):
        read_trojan_probability(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": float("nan")}, "weight must be finite; got nan"),
        ({"scale": 0.0}, "scale must be above 0; got 0.0"),
    ],
)
def test_numbers_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(MODEL, **changes)
