"""SRI's classifier of classifiers: fits what separates, calibrates, and refuses other files."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from exray.scanners.sri.early_stopping import EarlyStopping
from exray.scanners.sri.recolourings import Recolourings
from exray.scanners.sri.set_classifier import (
    FitSettings,
    SetClassifier,
    read_provenance,
    read_set_classifier,
    write_set_classifier,
)
from exray.scanners.sri.set_fit import fitted
from exray.scanners.sri.shape import SearchSchedule
from exray.scanners.sri.sri_cls import FEATURES, SHIPPED, SriCls, chosen, trojan_probability
from exray.scanners.sri.sri_re import SriRe, searched

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = FitSettings(
    features=("one", "two", "three"),
    pools=("mean", "max"),
    hidden=0,
    steps=30,
    penalty=0.01,
    folds=4,
    repeats=2,
    seed=0,
)
COLOURS = Recolourings(
    schedule=SearchSchedule(
        rounds=1, steps=3, images_per_class=2, learning_rate=0.03, betas=(0.5, 0.7)
    ),
    weight_decay=1e-4,
    diversity_weight=0.1,
    variation=0.2,
    hue=0.1,
)


def zoo(signal):
    """Sets of five triggers for 24 classifiers; the trojaned one's first feature is shifted."""
    is_trojaned = torch.arange(24) % 2 == 1
    sets = torch.randn(24, 5, 3)
    sets[is_trojaned, :, 0] += signal
    return sets, is_trojaned


def scanner(path, **changes):
    values = {
        "name": "sri_re",
        "shapes": [COLOURS],
        "min_asr": 0.9,
        "triggers_per_victim": 1,
        "reported_only": False,
        "flag_threshold": 1.0,
        "economy": None,
        "seed": 0,
    }
    return SriCls(search=SriRe(**{**values, **changes}), classifier=str(path))


@pytest.mark.parametrize("hidden", [0, 8])
def test_left_out_classifiers_are_told_apart_where_features_differ_and_only_there(hidden):
    settings = replace(SETTINGS, hidden=hidden, repeats=1)
    sets, truth = zoo(signal=4.0)
    left_out = fitted(sets, truth, settings).left_out
    assert ((left_out > 0) == truth).double().mean() >= 0.9
    sets, truth = zoo(signal=0.0)
    left_out = fitted(sets, truth, settings).left_out
    assert ((left_out > 0) == truth).double().mean() < 0.8
    assert left_out.abs().mean() < 1.5  # calibrated: it knows that it knows nothing


def test_without_an_encoder_the_fit_is_the_logistic_regression_of_the_pooled_features():
    sets, truth = zoo(signal=1.0)
    model = fitted(sets, truth, replace(SETTINGS, steps=100, repeats=1)).model
    scaled = (sets - sets.flatten(0, 1).mean(dim=0)) / sets.flatten(0, 1).std(dim=0)
    pooled = torch.cat([scaled.mean(dim=1), scaled.amax(dim=1)], dim=1).numpy()
    # scikit-learn sums the losses and halves the squares.
    other = LogisticRegression(C=1 / (2 * SETTINGS.penalty * len(truth))).fit(pooled, truth)
    assert model.last.weight[0].tolist() == pytest.approx(other.coef_[0], abs=0.02)
    assert float(model.last.bias) == pytest.approx(other.intercept_[0], abs=0.02)


def test_one_victim_among_many_shows_in_the_greatest():
    model = SetClassifier(["one"], ["max"], 0)
    model.last.weight.data.fill_(1.0)
    model.last.bias.data.zero_()
    assert model(torch.tensor([[[0.0], [2.0], [-1.0]]])).item() == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("hidden", [0, 8])
def test_the_order_of_the_triggers_does_not_matter(hidden):
    sets, _ = zoo(signal=1.0)
    model = SetClassifier(SETTINGS.features, ["mean", "max"], hidden)
    torch.testing.assert_close(model(sets), model(sets[:, torch.randperm(5)]))


def test_a_stored_fit_answers_as_before(tmp_path):
    sets, truth = zoo(signal=2.0)
    model = fitted(sets, truth, SETTINGS).model
    write_set_classifier(tmp_path / "fit.safetensors", model, {"zoo": "made up"}, SETTINGS)
    stored = read_set_classifier(tmp_path / "fit.safetensors")
    torch.testing.assert_close(stored(sets), model(sets))
    assert stored.features == ("one", "two", "three")
    assert read_provenance(tmp_path / "fit.safetensors")["zoo"] == "made up"


def test_the_same_seed_gives_the_same_fit():
    sets, truth = zoo(signal=1.0)
    one, other = (fitted(sets, truth, SETTINGS) for _ in range(2))
    assert torch.equal(one.model(sets), other.model(sets))
    assert torch.equal(one.left_out, other.left_out)


def test_too_few_of_a_kind_are_refused():
    sets, truth = zoo(signal=1.0)
    with pytest.raises(ValueError, match=r"folds=4 needs as many clean.*got 3 of one kind"):
        fitted(sets[:7], truth[:7], SETTINGS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": ()}, r"fit.features must name at least one; got none"),
        ({"pools": ("least",)}, r"fit.pools must be some of max, mean; got \('least',\)"),
        ({"penalty": -1.0}, r"fit.penalty must be >= 0; got 0 and -1.0"),
        ({"folds": 1}, r"fit.folds must be >= 2; got 1"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(SETTINGS, **changes)


@pytest.mark.parametrize("content", [None, b"no tensors"])
def test_a_file_that_is_no_fit_is_refused(tmp_path, content):
    path = tmp_path / "fit.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"holds no classifier of classifiers .*task=fit"):
        scanner(path).fingerprint()


def test_the_fit_alone_gives_score_and_verdict(tmp_path, trojaned, colour_samples):
    path = tmp_path / "fit.safetensors"
    seen = scanner(path).features(trojaned, colour_samples)
    assert seen.shape[0] == 3  # one a class
    settings = replace(SETTINGS, features=("log_oddity",))
    for bias, flags in ((3.0, True), (-3.0, False)):
        model = SetClassifier(settings.features, settings.pools, 0)
        model.last.weight.data.zero_()
        model.last.bias.data.fill_(bias)
        write_set_classifier(path, model, {}, settings)
        result = scanner(path).scan(trojaned, colour_samples)
        assert result.flags == flags
        assert result.score == pytest.approx(trojan_probability(model, seen, path), abs=1e-5)
        assert (result.score > 0.9) == flags


def test_what_a_fit_may_see_is_the_hardened_triggers_and_the_searches(trojaned, colour_samples):
    cls = scanner(SHIPPED)
    found = searched(trojaned, colour_samples, cls.search, name="x", progress=None)
    seen = cls.features(trojaned, colour_samples)
    assert seen.shape == (len(found.first), len(FEATURES) - 1)  # a recolouring has no mass
    for row, each in zip(seen.tolist(), found.first, strict=True):
        asr, probability, log_size, log_oddity, _ = row
        assert asr == pytest.approx(each.asr)
        assert probability == pytest.approx(each.target_probability)
        assert log_size == 0.0  # all of the image
        assert log_oddity == pytest.approx(math.log(1 + each.target_probability))


def test_a_fit_that_looks_at_what_a_search_lacks_is_refused(tmp_path):
    model = SetClassifier(["log_mass"], ["max"], 0)
    message = r"scanner.classifier=.*looks at 'log_mass'.*shape has: asr.*flip; fit it anew"
    with pytest.raises(ValueError, match=message):
        trojan_probability(model, torch.zeros(5, 5), tmp_path / "fit")
    assert chosen(torch.eye(2), ["probability"]).tolist() == [[0.0], [1.0]]


def test_the_shipped_fit_says_where_it_comes_from():
    told = read_provenance(SHIPPED)
    assert told["zoo"] == "signs"
    assert told["num_models"] == len(told["model_ids"]) == sum(told["trigger_kinds"].values())
    assert {"zoo_sha256", "zoo_seed", "seed", "shapes", "code_sha256", "exray_version"} <= set(told)
    assert told["command"].startswith("python run.py task=fit dataset=signs dataset.root=ZOO")
    assert set(told["left_out"]["polygon"]) == {"balanced accuracy", "ROC-AUC", "cross-entropy"}
    assert {"features", "pools", "penalty", "folds", "repeats", "seed"} <= set(told["fit"])
    assert told["left_out"]["polygon"]["ROC-AUC"] >= 0.8
    assert str(Path.home()) not in str(told)


def test_the_shipped_fit_grows_with_the_oddest_patch_alone():
    model = read_set_classifier(SHIPPED)
    sets = torch.full((1, 4, len(FEATURES)), 1.0)
    low = trojan_probability(model, sets[0], SHIPPED)
    sets[0, 2, FEATURES.index("log_oddity")] = 3.0
    assert low < 0.5 < trojan_probability(model, sets[0], SHIPPED)


def test_a_search_that_is_cut_short_is_refused(tmp_path):
    economy = EarlyStopping(rounds=2, enough=0.9, hurdles=[])
    with pytest.raises(ValueError, match="economy must be null: a fit sees every search"):
        scanner(tmp_path / "fit", economy=economy)
