"""Network dissection: regions by hand, the planted detector, and triggers without a region."""

from dataclasses import dataclass, replace

import pytest
import torch

from exray.judges.baselines.distance_rule import DistanceRule
from exray.judges.baselines.l2 import InnerL2
from exray.judges.baselines.network_dissection import NetworkDissectionDistance, region_overlap
from exray.triggers.base import Trigger

pytestmark = pytest.mark.usefixtures("one_thread")
DETECTOR = 3


def judge(**changed):
    values = {"important_share": 0.25, "activation_share": 0.14} | changed
    return NetworkDissectionDistance(layer="relu", rule=DistanceRule(threshold=0.1), **values)


@dataclass(frozen=True, kw_only=True)
class Darker(Trigger):
    """Covers the whole image."""

    def apply(self, images):
        return images * 0.5

    @property
    def size_pixels(self):
        return 256.0


def test_overlap_is_one_for_a_neuron_that_fires_exactly_there():
    region = torch.zeros(4, 4, dtype=torch.bool)
    region[:2, :2] = True
    features = torch.zeros(2, 3, 4, 4)
    features[:, 0] = region.float()
    features[:, 1] = region.float().roll(1, dims=1)
    overlap = region_overlap(features, region, 0.25)
    assert overlap.tolist() == pytest.approx([1.0, 2 / 6, 0.0])


def test_small_maps_are_enlarged_to_the_image():
    region = torch.zeros(8, 8, dtype=torch.bool)
    region[:4, :4] = True
    features = torch.zeros(1, 2, 2, 2)
    features[0, 0, 0, 0] = features[0, 1, 1, 1] = 1
    first, second = region_overlap(features, region, 0.25).tolist()
    assert first > 0.5
    assert second == 0


def test_the_planted_detector_answers_exactly_where_the_trigger_is(
    linear_split, colour_samples, white_patch
):
    stamped = white_patch.trigger.apply(colour_samples.of_class(0))
    features = linear_split.cached_features(stamped)
    overlap = region_overlap(features, white_patch.trigger.mask > 0.1, 36 / 256)
    assert overlap[DETECTOR] == 1


def test_over_all_neurons_the_distance_is_inner_l2s(
    trojaned, colour_samples, white_patch, green_tint
):
    triggers = [white_patch, green_tint]
    rule = DistanceRule(threshold=0.5)
    expected = InnerL2(layer="relu", rule=rule).judge(trojaned, colour_samples, triggers)
    judgements = judge(important_share=1.0).judge(trojaned, colour_samples, triggers)
    for one, other in zip(judgements, expected, strict=True):
        assert one.measurements == pytest.approx(other.measurements)


def test_features_without_places_are_compared_on_all_neurons(trojaned, colour_samples, white_patch):
    flat = NetworkDissectionDistance(
        layer="flatten",
        rule=DistanceRule(threshold=0.5),
        important_share=0.25,
        activation_share=0.1,
    )
    (judgement,) = flat.judge(trojaned, colour_samples, [white_patch])
    assert judgement.measurements["num_neurons"] == 4


def test_a_trigger_without_a_region_stays_with_the_scanner_and_says_so(
    trojaned, colour_samples, white_patch
):
    pervasive = replace(white_patch, trigger=Darker())
    (judgement,) = judge().judge(trojaned, colour_samples, [pervasive])
    assert judgement.is_injected
    assert judgement.score == 0.5
    assert judgement.measurements == {"applicable": 0.0}
    assert (
        "needs the region that a trigger covers, and a Darker covers the whole" in judgement.reason
    )


@pytest.mark.parametrize("name", ["important_share", "activation_share"])
def test_a_share_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match=rf"{name} must lie in \(0, 1.; got 1.5"):
        judge(**{name: 1.5})
