"""DeepLift with activations used twice, in a graph or not."""

import pytest
import torch

from exray.judges.baselines.deeplift import DeepLiftDistance, with_own_activations
from exray.judges.baselines.distance_rule import DistanceRule

pytestmark = pytest.mark.usefixtures("one_thread")


def judge():
    rule = DistanceRule(threshold=0.3)
    return DeepLiftDistance(layer="relu", rule=rule, important_share=0.25)


def test_contributions_add_up_although_the_network_shares_a_relu(shared_relu_split, colour_samples):
    split = shared_relu_split
    features = split.cached_features(colour_samples.images[:4])
    contributions = judge()._attribute(split, features, 2).flatten(1).sum(1)
    change = split.head(features) - split.head(torch.zeros_like(features))
    assert torch.allclose(contributions, change[:, 2], atol=1e-4)


def test_own_activations_change_no_output(shared_relu_split, colour_samples):
    head = shared_relu_split.head
    features = shared_relu_split.cached_features(colour_samples.images[:4])
    own = with_own_activations(head)
    assert torch.equal(own(features), head(features))
    targets = [node.target for node in own.graph.nodes if node.op == "call_module"]
    assert len(targets) == len(set(targets))
    assert not any(node.target is torch.relu for node in own.graph.nodes)


def test_a_head_that_is_no_graph_is_copied():
    head = torch.nn.Linear(2, 2)
    assert with_own_activations(head) is not head
