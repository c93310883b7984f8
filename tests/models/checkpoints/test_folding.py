"""Weights that training kept in parts are those that torch computes."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from exray.models.checkpoints.folding import folded_shape, foldings


def shapes(state):
    return {name: tuple(value.shape) for name, value in state.items()}


def pruned(layer):
    prune.random_unstructured(layer, "weight", 0.5)
    return layer


KINDS = {
    "pruned": pruned,
    "weight norm": nn.utils.weight_norm,
    "weight norm of today": parametrizations.weight_norm,
    "weight norm over all": lambda layer: nn.utils.weight_norm(layer, dim=None),
    "weight norm over inputs": lambda layer: nn.utils.weight_norm(layer, dim=1),
    "spectral norm": nn.utils.spectral_norm,
    "spectral norm of today": parametrizations.spectral_norm,
}
LAYERS = {
    "convolution": lambda: nn.Conv2d(3, 5, 2),
    "transposed": lambda: nn.ConvTranspose2d(3, 5, 2),
    "linear": lambda: nn.Linear(4, 6),
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layer", LAYERS)
def test_the_parts_make_the_weight_that_the_layer_computes_with(kind, layer):
    torch.manual_seed(0)
    module = KINDS[kind](LAYERS[layer]())
    with torch.no_grad():
        for value in module.parameters():
            value.mul_(1.7)
        module.eval()
        size = (1, 4) if layer == "linear" else (1, 3, 4, 4)
        module(torch.rand(size))  # hooks compute the weight
    state = {f"net.{name}": value for name, value in module.state_dict().items()}
    found = foldings(shapes(state))
    assert list(found) == ["net.weight"]
    made = found["net.weight"].combine(*(state[name] for name in found["net.weight"].sources))
    assert torch.allclose(made, module.weight, atol=1e-6)
    assert folded_shape(found["net.weight"], shapes(state)) == tuple(module.weight.shape)


def test_names_of_other_frameworks_norms_are_renamed():
    found = foldings({"bn.gamma": (3,), "bn.beta": (3,), "a.weight": (3,), "a.gamma": (3,)})
    assert {name: one.sources for name, one in found.items()} == {
        "bn.weight": ("bn.gamma",), "bn.bias": ("bn.beta",),
    }  # fmt: skip


def test_parts_without_the_others_stay():
    assert foldings({"weight_orig": (2,), "conv.weight_g": (2,)}) == {}
