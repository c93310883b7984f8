"""Inner L2 on the planted backdoor and against a sum by hand."""

import pytest

from exray.judges.baselines.distance_rule import DistanceRule
from exray.judges.baselines.l2 import InnerL2

pytestmark = pytest.mark.usefixtures("one_thread")


def judge(layer="relu", threshold=0.5):
    return InnerL2(layer=layer, rule=DistanceRule(threshold=threshold))


def test_the_injected_trigger_lies_farther_from_the_target_than_the_natural_one(
    trojaned, colour_samples, white_patch, green_tint
):
    injected, natural = judge().judge(trojaned, colour_samples, [white_patch, green_tint])
    assert injected.measurements["distance"] > 2 * natural.measurements["distance"]
    assert injected.is_injected
    assert injected.score > 0.5
    assert not natural.is_injected
    assert natural.score < 0.5


def test_the_distance_is_that_of_normalised_mean_activations(trojaned, colour_samples, white_patch):
    (judgement,) = judge().judge(trojaned, colour_samples, [white_patch])
    features = {
        name: trojaned.network.relu(trojaned.network.colours(images))
        for name, images in {
            "victim": colour_samples.of_class(0),
            "target": colour_samples.of_class(1),
            "stamped": white_patch.trigger.apply(colour_samples.of_class(0)),
        }.items()
    }
    total = 0.0
    for channel in range(4):
        greatest = max(float(activations[:, channel].max()) for activations in features.values())
        means = [float(features[name][:, channel].mean()) for name in ("stamped", "target")]
        total += ((means[0] - means[1]) / greatest) ** 2
    assert judgement.measurements["distance"] == pytest.approx(total**0.5, rel=1e-4)
    assert judgement.measurements["num_neurons"] == 4


def test_no_trigger_gives_no_judgement_and_a_class_without_images_the_scanners_answer(
    trojaned, colour_samples, white_patch
):
    assert judge().judge(trojaned, colour_samples, []) == []
    samples = colour_samples.select(colour_samples.labels != 1)
    (judgement,) = judge().judge(trojaned, samples, [white_patch])
    assert (
        judgement.reason
        == "injected by default: class 1 has no image that the classifier gets right"
    )
    assert (judgement.is_injected, judgement.measurements) == (True, {"applicable": 0.0})


def test_features_without_places_are_neurons_too(trojaned, colour_samples, white_patch):
    (judgement,) = judge("flatten").judge(trojaned, colour_samples, [white_patch])
    assert judgement.measurements["num_neurons"] == 4
