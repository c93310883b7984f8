"""SRI-RE on a planted backdoor, its clean twin, and where nothing can be searched."""

import pytest
import torch
from torch import nn

from exray.models.classifier import Classifier, Preprocessing
from exray.scanners.sri.early_stopping import EarlyStopping, Hurdle
from exray.scanners.sri.sri_re import SriRe
from exray.triggers.patch import PatchTrigger
from exray.triggers.recolouring import RecolourTrigger

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def scanner(polygons):
    """Makes a scanner of the patch shape, with changes."""

    def make(**changes):
        values = {
            "shapes": [polygons],
            "min_asr": 0.9,
            "triggers_per_victim": 1,
            "flag_threshold": 1.0,
            "reported_only": False,
            "early_stopping": None,
            "seed": 0,
        }
        return SriRe(**{**values, **changes})

    return make


def test_the_planted_patch_has_a_higher_anomaly_score_than_any_of_the_clean_twin(
    scanner, trojaned, clean_twin, colour_samples
):
    result = scanner().scan(trojaned, colour_samples)
    clean = scanner().scan(clean_twin, colour_samples)
    assert result.score > 2 * clean.score
    assert not result.inconclusive
    planted = [trigger for trigger in result.triggers if trigger.target_class == 1]
    assert {trigger.victim_class for trigger in planted} == {0, 2}
    assert all(isinstance(trigger.trigger, PatchTrigger) for trigger in planted)
    assert all(trigger.trigger.size_pixels < 25 for trigger in planted)
    bar = (result.score + clean.score) / 2
    assert scanner(flag_threshold=bar).scan(trojaned, colour_samples).flags
    assert not scanner(flag_threshold=bar).scan(clean_twin, colour_samples).flags


def test_what_is_reported_is_what_the_verdict_rests_on(
    scanner, polygons, recolourings, trojaned, colour_samples
):
    result = scanner().scan(trojaned, colour_samples)
    scores = {trigger.victim_class: anomaly_score(trigger) for trigger in result.triggers}
    bar = (max(scores.values()) + sorted(scores.values())[-2]) / 2
    strong = {victim for victim, score in scores.items() if score >= bar}
    strict = scanner(
        reported_only=True, flag_threshold=bar, shapes=[polygons, recolourings], min_asr=1.0
    )
    reported = strict.scan(trojaned, colour_samples)
    assert reported.flags
    assert reported.score == result.score  # recolourings were not searched
    assert reported.num_candidates == result.num_candidates
    assert {trigger.victim_class for trigger in reported.triggers} == strong != set(scores)
    higher = scanner(reported_only=True, flag_threshold=1.01 * result.score)
    silent = higher.scan(trojaned, colour_samples)
    assert not silent.flags
    assert not silent.triggers


def test_a_reported_trigger_is_passed_to_the_judge_whatever_its_asr(
    scanner, clean_twin, colour_samples
):
    weak = scanner(reported_only=True, flag_threshold=1e-6, min_asr=1.0)
    result = weak.scan(clean_twin, colour_samples)
    assert result.flags
    assert any(trigger.asr < 1 for trigger in result.triggers)


def anomaly_score(trigger):
    return trigger.asr / (trigger.trigger.size_pixels / trigger.trigger.mask.numel()) ** 0.5


def test_recolourings_flip_a_class_to_another(scanner, recolourings, clean_twin, colour_samples):
    result = scanner(shapes=[recolourings]).scan(clean_twin, colour_samples)
    assert result.triggers
    for trigger in result.triggers:
        assert isinstance(trigger.trigger, RecolourTrigger)
        stamped = trigger.trigger.apply(colour_samples.of_class(trigger.victim_class))
        taken = clean_twin.predict(stamped).argmax(dim=1) == trigger.target_class
        assert float(taken.double().mean()) == trigger.asr >= 0.9


def test_the_default_early_stopping_finds_the_planted_patch_as_well(
    scanner, trojaned, colour_samples
):
    hurdle = Hurdle(step=20, flip_loss=0.5, size=0.2)
    stopping = EarlyStopping(rounds=2, sufficient_probability=0.9, hurdles=[hurdle])
    whole = scanner().scan(trojaned, colour_samples)
    short = scanner(early_stopping=stopping).scan(trojaned, colour_samples)
    assert short.num_candidates < whole.num_candidates
    best = {
        trigger.victim_class: trigger for trigger in whole.triggers if trigger.target_class == 1
    }
    early = {
        trigger.victim_class: trigger for trigger in short.triggers if trigger.target_class == 1
    }
    assert early.keys() == best.keys()
    assert all(early[victim].asr >= 0.9 for victim in early)


def test_a_saturated_network_is_inconclusive(scanner, polygons, shortened, colour_samples):
    sharp = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
    sharp[2].weight.data = 1e6 * torch.eye(3)
    sharp[2].bias.data.zero_()
    classifier = Classifier(sharp, Preprocessing(), num_classes=3, name="sharp")
    short = shortened(polygons, steps=2)
    result = scanner(shapes=[short]).scan(classifier, colour_samples)
    assert "no gradient for images of classes 0, 1, 2" in result.inconclusive


def test_progress_counts_every_step(scanner, polygons, shortened, trojaned, colour_samples):
    calls = []
    short = shortened(polygons, rounds=1, steps=3)
    scanner(shapes=[short]).scan(trojaned, colour_samples, lambda *words: calls.append(words))
    assert calls == [("inversion", step, 3) for step in (1, 2, 3)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shapes": []}, "shapes must hold at least one shape"),
        ({"min_asr": 0.0}, r"min_asr must be a fraction in \(0, 1\]; got 0"),
        ({"triggers_per_victim": 0}, "triggers_per_victim must be >= 1; got 0"),
        ({"flag_threshold": -1.0}, "flag_threshold must be positive; got -1"),
    ],
)
def test_impossible_numbers_are_refused(scanner, changes, message):
    with pytest.raises(ValueError, match=message):
        scanner(**changes)
