"""A state dict fills a network of its names and shapes, and no other."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from exray.errors import CheckpointError
from exray.models.checkpoints.weights import load_state


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 5))


def test_a_state_fills_the_network(tmp_path):
    source, other = network(), network()
    nn.init.zeros_(other[3].weight)
    load_state(other, source.state_dict(), tmp_path)
    assert torch.equal(other[3].weight, source[3].weight)


def test_batch_counts_and_shapes_of_one_number_do_not_matter(tmp_path):
    state = network().state_dict()
    del state["1.num_batches_tracked"]
    state["0.num_batches_tracked"] = torch.tensor(3)
    load_state(network(), state, tmp_path)
    scale = nn.Module()
    scale.register_parameter("scale", nn.Parameter(torch.tensor(1.0)))
    load_state(scale, {"scale": torch.tensor([2.0])}, tmp_path)
    assert scale.scale.item() == 2
    assert scale.scale.shape == ()


@pytest.mark.parametrize("inside", ["", "module."])
@pytest.mark.parametrize("outside", ["", "module."])
def test_a_wrapped_network_takes_names_with_and_without_prefix(tmp_path, inside, outside):
    wrapped = nn.ModuleDict({"module": network()}) if inside else network()
    state = OrderedDict((outside + key, value) for key, value in network().state_dict().items())
    nn.init.zeros_((wrapped["module"] if inside else wrapped)[3].weight)
    load_state(wrapped, state, tmp_path)
    assert torch.equal(wrapped.state_dict()[inside + "3.weight"], state[outside + "3.weight"])


def test_each_kind_of_mismatch_is_named_and_nothing_is_loaded(tmp_path):
    state = {key: value + 1 for key, value in network().state_dict().items()}
    for key in ("0.weight", "0.bias", "1.weight", "1.bias"):
        del state[key]
    state["extra"] = torch.ones(1)
    state["3.weight"] = torch.ones(7, 16)
    target = network()
    with pytest.raises(
        CheckpointError,
        match=r"m.pt does not fit the network; missing: 0.weight, 0.bias, 1.weight and 1 more; "
        r"unexpected: extra; of another shape: 3.weight \(7 x 16 in the file, 5 x 16 in the "
        r"network\); name the network that it was saved from",
    ):
        load_state(target, state, tmp_path / "m.pt")
    assert torch.equal(target[3].bias, network()[3].bias)


def test_quantised_weights_are_refused(tmp_path):
    state = network().state_dict()
    state["3.weight"] = state["3.weight"].to(torch.int8)
    with pytest.raises(CheckpointError, match=r"still quantised: 3.weight \(torch.int8\)"):
        load_state(network(), state, tmp_path)
