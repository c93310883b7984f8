"""Batch norms folded into convolutions change no output."""

import pytest
import torch
from torch import fx, nn

from exray.models.splitting.batchnorm_folding import fold_batch_norms

pytestmark = pytest.mark.usefixtures("one_thread")


def norm(channels, **options):
    module = nn.BatchNorm2d(channels, **options)
    if module.track_running_stats:
        module.running_mean.normal_()
        module.running_var.uniform_(0.5, 2)
    return module


def folded(network):
    traced = fx.symbolic_trace(network.eval().requires_grad_(False))
    return traced, fold_batch_norms(traced)


def norms_in(module):
    return sum(isinstance(layer, nn.BatchNorm2d) for layer in module.modules())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_outputs_are_equal_and_the_norms_are_gone(bias, affine):
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=bias),
        norm(4, affine=affine),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3),
        norm(4),
    )
    before, after = folded(network)
    images = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(after(images), network(images), atol=1e-5, rtol=1e-4)
    assert (norms_in(before), norms_in(after)) == (2, 0)
    assert not any(parameter.requires_grad for parameter in after.parameters())


class Shared(nn.Module):
    """One convolution called twice, and one whose output is read twice."""

    def __init__(self):
        super().__init__()
        self.twice, self.read, self.one, self.two = (
            nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), norm(3), norm(3),
        )  # fmt: skip

    def forward(self, x):
        raw = self.read(self.two(self.twice(self.one(self.twice(x)))))
        return raw + self.one(raw)


def test_shared_convolutions_are_left_alone():
    network = Shared()
    _, after = folded(network)
    images = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(after(images), network(images))


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [norm(3), nn.Conv2d(3, 4, 1)],
        lambda: [nn.Conv2d(3, 3, 1), nn.ReLU(), norm(3)],
        lambda: [nn.Conv2d(3, 3, 1), norm(3, track_running_stats=False)],
        lambda: [nn.Conv2d(3, 4, 1), nn.GroupNorm(2, 4)],
    ],
)
def test_what_cannot_be_folded_stays(layers):
    network = nn.Sequential(*layers())
    before, after = folded(network)
    images = torch.randn(2, 3, 4, 4)
    assert torch.equal(after(images), network(images))
    assert norms_in(before) == norms_in(after)


def test_the_module_that_is_folded_stays_as_it_was():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), norm(4))
    state = {name: value.clone() for name, value in network.state_dict().items()}
    before, after = folded(network)
    for parameter in after.parameters():
        parameter.zero_()
    assert norms_in(before) == 1
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
