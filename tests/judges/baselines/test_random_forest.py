"""The forest's inputs on the planted backdoor, against logits and distances by hand."""

import pytest

from exray.judges.baselines.features import channel_scale, l2_distance, mean_activations
from exray.judges.baselines.random_forest import ForestMeasurements

pytestmark = pytest.mark.usefixtures("one_thread")


def test_all_six_inputs_are_measured_and_nothing_is_judged(
    trojaned, colour_samples, white_patch, green_tint
):
    judgements = ForestMeasurements(layer="relu").judge(
        trojaned, colour_samples, [white_patch, green_tint]
    )
    assert all(judgement.is_injected and judgement.score == 0.5 for judgement in judgements)
    assert set(judgements[0].measurements) == {
        *(f"distance_{name}_target" for name in ("victim", "stamped_victim", "stamped_target")),
        *(f"victim_logit_of_{name}" for name in ("victim", "stamped_victim", "target")),
        *(f"target_logit_of_{name}" for name in ("victim", "stamped_victim", "target")),
    }


def test_logits_and_distances_are_those_of_the_classifier(trojaned, colour_samples, white_patch):
    (judgement,) = ForestMeasurements(layer="relu").judge(trojaned, colour_samples, [white_patch])
    victim, target = colour_samples.of_class(0), colour_samples.of_class(1)
    sets = [victim, target, *map(white_patch.trigger.apply, (victim, target))]
    logits = trojaned(sets[2]).mean(dim=0)
    measured = judgement.measurements
    assert measured["victim_logit_of_stamped_victim"] == pytest.approx(float(logits[0]), rel=1e-4)
    assert measured["target_logit_of_stamped_victim"] == pytest.approx(float(logits[1]), rel=1e-4)
    features = [trojaned.network.relu(trojaned.network.colours(images)) for images in sets]
    scale = channel_scale(features)
    means = [mean_activations(activations, scale) for activations in features]
    for name, first in (("victim", 0), ("stamped_victim", 2), ("stamped_target", 3)):
        by_hand = l2_distance(means[first], means[1])
        assert measured[f"distance_{name}_target"] == pytest.approx(by_hand, rel=1e-4)


def test_no_trigger_gives_no_judgement_and_a_class_without_images_the_scanners_answer(
    trojaned, colour_samples, white_patch
):
    judge = ForestMeasurements(layer="relu")
    assert judge.judge(trojaned, colour_samples, []) == []
    samples = colour_samples.select(colour_samples.labels != 0)
    (judgement,) = judge.judge(trojaned, samples, [white_patch])
    assert (
        judgement.reason
        == "injected by default: class 0 has no image that the classifier gets right"
    )
    assert (judgement.is_injected, judgement.measurements) == (True, {"applicable": 0.0})
