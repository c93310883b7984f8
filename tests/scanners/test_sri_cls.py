"""SRI's classifier of classifiers: fits what separates, calibrates, and refuses other files."""

import pytest
import torch

from exray.scanners.economy import Economy
from exray.scanners.set_classifier import (
    FitSettings,
    SetClassifier,
    fitted,
    read_set_classifier,
    write_set_classifier,
)
from exray.scanners.sri import SriRe
from exray.scanners.sri_cls import SriCls, trojan_probability
from exray.scanners.sri_shapes import Colours
from exray.scanners.untargeted_shape import Schedule

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = FitSettings(hidden=8, epochs=60, learning_rate=0.02, weight_decay=0.01, folds=4, seed=0)
COLOURS = Colours(
    schedule=Schedule(rounds=1, steps=3, images_per_class=2, learning_rate=0.03, betas=(0.5, 0.7)),
    weight_decay=1e-4,
    diversity_weight=0.1,
    variation=0.2,
    hue=0.1,
)


def zoo(signal):
    """Sets of five triggers for 24 classifiers; the trojaned one's first feature is shifted."""
    is_trojaned = torch.arange(24) % 2 == 1
    one, other = torch.randn(24, 5, 3), torch.randn(24, 5, 2)
    one[is_trojaned, :, 0] += signal
    return [one, other], is_trojaned


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
    return SriCls(name="sri_cls", search=SriRe(**{**values, **changes}), classifier=str(path))


def test_unseen_classifiers_are_told_apart_where_features_differ_and_not_where_they_do_not():
    sets, truth = zoo(signal=4.0)
    _, unseen = fitted(sets, truth, SETTINGS)
    assert ((unseen > 0) == truth).double().mean() >= 0.9
    sets, truth = zoo(signal=0.0)
    _, unseen = fitted(sets, truth, SETTINGS)
    assert ((unseen > 0) == truth).double().mean() < 0.8
    assert unseen.abs().mean() < 1.5  # calibrated: it knows that it knows nothing


def test_the_order_of_the_triggers_does_not_matter():
    sets, _ = zoo(signal=1.0)
    model = SetClassifier([3, 2], 8)
    turned = [each[:, torch.randperm(5)] for each in sets]
    torch.testing.assert_close(model(sets), model(turned))


def test_a_stored_fit_answers_as_before(tmp_path):
    sets, truth = zoo(signal=2.0)
    model, _ = fitted(sets, truth, SETTINGS)
    write_set_classifier(tmp_path / "fit.safetensors", model, {"zoo": "made up"}, SETTINGS)
    stored = read_set_classifier(tmp_path / "fit.safetensors")
    torch.testing.assert_close(stored(sets), model(sets))
    assert stored.widths == (3, 2)


def test_the_same_seed_gives_the_same_fit():
    sets, truth = zoo(signal=1.0)
    one, other = (fitted(sets, truth, SETTINGS)[0] for _ in range(2))
    assert torch.equal(one(sets), other(sets))


def test_too_few_of_a_kind_are_refused():
    sets, truth = zoo(signal=1.0)
    with pytest.raises(ValueError, match=r"folds=4 needs as many clean.*got 3 of one kind"):
        fitted([each[:7] for each in sets], truth[:7], SETTINGS)


def test_one_fold_is_refused():
    with pytest.raises(ValueError, match=r"fit.folds must be >= 2; got 1"):
        FitSettings(hidden=8, epochs=1, learning_rate=0.1, weight_decay=0.0, folds=1, seed=0)


@pytest.mark.parametrize("content", [None, b"no tensors"])
def test_a_file_that_is_no_fit_is_refused(tmp_path, content):
    path = tmp_path / "fit.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"holds no classifier of classifiers .*task=fit"):
        scanner(path).fingerprint()


def test_the_fit_alone_gives_score_and_verdict(tmp_path, trojaned, colour_samples):
    path = tmp_path / "fit.safetensors"
    (features,) = scanner(path).features(trojaned, colour_samples)
    assert features.shape[0] == 3  # one a class
    for bias, flags in ((3.0, True), (-3.0, False)):
        model = SetClassifier([features.shape[1]], 8)
        model.last.weight.data.zero_()
        model.last.bias.data.fill_(bias)
        write_set_classifier(path, model, {}, SETTINGS)
        result = scanner(path).scan(trojaned, colour_samples)
        assert result.flags == flags
        assert result.score == pytest.approx(trojan_probability(model, [features], path), abs=1e-5)
        assert (result.score > 0.9) == flags


def test_a_fit_to_another_search_is_refused(tmp_path):
    model = SetClassifier([3], 8)
    with pytest.raises(ValueError, match=r"fitted to \(3,\) features a trigger.*has \(4,\)"):
        trojan_probability(model, [torch.zeros(5, 4)], tmp_path / "fit")


def test_a_search_that_is_cut_short_is_refused(tmp_path):
    economy = Economy(rounds=2, enough=0.9, hurdles=[])
    with pytest.raises(ValueError, match="economy must be null: a fit sees every search"):
        scanner(tmp_path / "fit", economy=economy)
