"""What a network puts out, and how a final softmax is taken off."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from exray.models.outputs import (
    LogitOfProbabilities,
    LogitSource,
    LogOfProbabilities,
    OutputKind,
    evaluating,
    output_kind,
    probe_outputs,
    saturated_rows,
    without_final_activation,
)

IMAGES = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(0))


class Returning(nn.Module):
    """Calls a function on the images."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, images):
        return self.function(images)


class RunsFirstTwo(nn.Module):
    """Runs a backbone and the first part of a head, whatever else they hold."""

    def __init__(self, parts):
        super().__init__()
        self.parts = parts

    def forward(self, images):
        return self.parts[1][0](self.parts[0](images))


class Functional(nn.Module):
    """Softmax called as a function, after a softmax module used for attention."""

    def __init__(self):
        super().__init__()
        self.attention = nn.Softmax(dim=1)
        self.linear = nn.Linear(48, 5)

    def forward(self, images):
        flat = images.flatten(1)
        return F.softmax(self.linear(flat * self.attention(flat)), dim=1)


def linear(*after):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 5), *after)


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (nn.Identity(), OutputKind.LOGITS),
        (nn.Softmax(dim=1), OutputKind.PROBABILITIES),
        (nn.LogSoftmax(dim=1), OutputKind.LOG_PROBABILITIES),
        (nn.Sigmoid(), OutputKind.MULTI_LABEL),
    ],
)
def test_the_kind_of_output_is_recognised(last, kind):
    facts = probe_outputs(linear(last), IMAGES)
    assert (facts.num_classes, facts.kind) == (5, kind)


def test_sums_within_a_thousandth_of_one_count_as_probabilities():
    assert output_kind(torch.tensor([[0.5, 0.5009]])) is OutputKind.PROBABILITIES
    assert output_kind(torch.tensor([[0.5, 0.502]])) is OutputKind.MULTI_LABEL


def test_probing_leaves_mode_and_statistics_as_they_were():
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(), linear())
    network[0].eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    probe_outputs(network, IMAGES)
    assert [network.training, network[0].training, network[1].training] == [True, False, True]
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_the_mode_comes_back_after_a_failure():
    network = linear()

    def fail_inside():
        with evaluating(network):
            assert not network.training
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    assert network.training


def test_a_softmax_module_is_removed_from_a_copy():
    network = linear(nn.Softmax(dim=1))
    bare, source = without_final_activation(network, IMAGES)
    assert source is LogitSource.SOFTMAX_REMOVED
    assert isinstance(network[2], nn.Softmax)
    assert not network[2]._forward_hooks
    assert torch.equal(bare(IMAGES), network[1](IMAGES.flatten(1)))
    assert bare[1].weight is not network[1].weight


def test_a_nested_softmax_under_two_names_is_removed_under_both():
    network = nn.Sequential(linear(), nn.Sequential(nn.Softmax(dim=1)))
    network[1].same = network[1][0]
    bare, source = without_final_activation(RunsFirstTwo(network), IMAGES)
    assert source is LogitSource.SOFTMAX_REMOVED
    assert not [m for m in bare.modules() if isinstance(m, nn.Softmax)]


def test_a_softmax_that_does_more_is_not_replaced():
    class OnlySoftmax(nn.Softmax):
        def forward(self, images):
            return super().forward(images.flatten(1))

    network = OnlySoftmax(dim=1)
    wrapped, source = without_final_activation(network, IMAGES)  # an identity does not flatten
    assert source is LogitSource.LOG_OF_PROBABILITIES
    assert wrapped.network is network


def test_a_softmax_called_as_a_function_is_undone_by_the_logarithm():
    network = Functional()
    wrapped, source = without_final_activation(network, IMAGES)
    assert source is LogitSource.LOG_OF_PROBABILITIES
    assert isinstance(wrapped, LogOfProbabilities)
    torch.testing.assert_close(wrapped(IMAGES).softmax(dim=1), network(IMAGES))


def test_a_probability_of_zero_has_a_finite_logit():
    logits = LogOfProbabilities(Returning(lambda x: torch.eye(len(x))))(IMAGES[:2])
    assert logits.isfinite().all()
    assert logits[0, 1].item() == pytest.approx(-69.08, abs=0.01)


def test_a_network_that_cannot_be_copied_is_wrapped():
    network = linear(nn.Softmax(dim=1))
    network.kept = network[1].weight * 2  # no leaf: deepcopy refuses it
    _, source = without_final_activation(network, IMAGES)
    assert source is LogitSource.LOG_OF_PROBABILITIES


def test_a_softmax_that_serves_twice_is_not_removed():
    shared = nn.Softmax(dim=1)
    network = nn.Sequential(nn.Flatten(), shared, nn.Linear(48, 5), shared)
    wrapped, source = without_final_activation(network, IMAGES)
    assert source is LogitSource.LOG_OF_PROBABILITIES
    assert wrapped.network is network


@pytest.mark.parametrize("last", [nn.Identity(), nn.LogSoftmax(dim=1)])
def test_logits_and_log_probabilities_are_left_alone(last):
    network = linear(last)
    same, source = without_final_activation(network, IMAGES)
    assert same is network
    assert source is LogitSource.NETWORK


def test_small_numbers_of_no_class_above_a_half_are_logits():
    assert output_kind(torch.tensor([[0.1, 0.3], [0.0, 0.5]])) is OutputKind.LOGITS


@pytest.mark.parametrize("last", [nn.Sigmoid(), Returning(torch.sigmoid)])
def test_a_probability_of_each_class_alone_becomes_its_logit(last):
    network = linear(last)
    bare, source = without_final_activation(network, IMAGES)
    removed = isinstance(last, nn.Sigmoid)
    assert (source is LogitSource.SIGMOID_REMOVED) is removed
    assert (source is LogitSource.LOGIT_OF_PROBABILITIES) is not removed
    assert "probability of each class alone" in source.remark
    torch.testing.assert_close(bare(IMAGES), network[:2](IMAGES), rtol=1e-4, atol=1e-4)


def test_certain_probabilities_of_each_class_alone_are_saturated():
    network = LogitOfProbabilities(nn.Identity())
    logits = network(torch.tensor([[0.0, 1.0, 1.0], [0.1, 1.0, 0.0]]))
    assert saturated_rows(network, logits).tolist() == [True, False]
    single = torch.tensor([[0.0, 15.9424], [0.0, 0.3]])
    assert saturated_rows(network, single).tolist() == [True, False]
    assert not saturated_rows(nn.Identity(), logits).any()


def test_the_logarithm_can_be_traced():
    traced = torch.fx.symbolic_trace(LogOfProbabilities(linear(nn.Softmax(dim=1))))
    assert traced(IMAGES).shape == (6, 5)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: (x.flatten(1), x), "one tensor in eval mode; got a tuple"),
        (lambda x: {"out": x.flatten(1)}, "one tensor in eval mode; got a dict"),
        (lambda x: x, r"shape \(6, k\); got \(6, 3, 4, 4\) for 6 images of 3 x 4 x 4"),
        (lambda x: x.flatten(1)[:, :1], r"at least two numbers for each image.*got \(6, 1\)"),
        (lambda x: x.reshape(12, -1), r"got \(12, 24\)"),
        (lambda x: x.flatten(1).long(), "real numbers; got torch.int64"),
    ],
)
def test_outputs_that_are_no_logits_are_refused(function, message):
    with pytest.raises(ValueError, match=message):
        probe_outputs(Returning(function), IMAGES)


def test_a_wrong_image_size_is_named():
    with pytest.raises(ValueError, match=r"fails on images of 3 x 8 x 8 \(RuntimeError"):
        probe_outputs(linear(), torch.rand(2, 3, 8, 8))


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="at least one image; got none"):
        probe_outputs(linear(), IMAGES[:0])
