"""What the three judges by attribution share: known contributions, the planted backdoor, care."""

import pytest
import torch

from exray.judges.baselines.deeplift import DeepLiftDistance
from exray.judges.baselines.distance_rule import DistanceRule
from exray.judges.baselines.feature_distance import importance
from exray.judges.baselines.integrated_gradients import IntegratedGradientsDistance
from exray.judges.baselines.occlusion import OcclusionDistance

pytestmark = pytest.mark.usefixtures("one_thread")

RULE = DistanceRule(threshold=0.3)
JUDGES = {
    "DeepLift": lambda share: DeepLiftDistance(layer="relu", rule=RULE, important_share=share),
    "integrated gradients": lambda share: IntegratedGradientsDistance(
        layer="relu", rule=RULE, important_share=share, steps=8
    ),
    "occlusion": lambda share: OcclusionDistance(layer="relu", rule=RULE, important_share=share),
}


@pytest.fixture(params=JUDGES)
def method(request):
    """What the judge calls its attribution."""
    return request.param


@pytest.fixture
def judge(method):
    return JUDGES[method](0.25)


def test_on_a_linear_head_the_attribution_is_weight_times_activation(
    judge, linear_split, colour_samples, contribution
):
    features = linear_split.cached_features(colour_samples.of_class(1))
    attributions = judge._attribute(linear_split, features, 1)
    assert torch.allclose(attributions.sum(dim=(2, 3)), contribution(features, 1), atol=1e-4)
    assert torch.allclose(
        importance(attributions), contribution(features, 1).abs().mean(0), atol=1e-4
    )


def test_the_planted_trigger_is_injected_and_the_natural_one_natural(
    judge, method, trojaned, colour_samples, white_patch, green_tint
):
    injected, natural = judge.judge(trojaned, colour_samples, [white_patch, green_tint])
    assert injected.is_injected
    assert not natural.is_injected
    assert natural.measurements["num_neurons"] == 1  # green, important in both
    assert f"important by {method}" in injected.reason


def test_the_network_is_left_as_it_was(judge, trojaned, colour_samples, white_patch):
    before = {name: value.clone() for name, value in trojaned.network.state_dict().items()}
    judge.judge(trojaned, colour_samples, [white_patch])
    after = trojaned.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(module._forward_hooks for module in trojaned.network.modules())


def test_a_share_that_is_none_is_refused(method):
    with pytest.raises(ValueError, match=r"important_share must lie in \(0, 1\]; got 0"):
        JUDGES[method](0.0)
