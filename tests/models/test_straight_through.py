"""Networks that hide their gradient are found, and get one where a step alone hides it."""

import pytest
import torch
from torch import fx, nn

from exray.models.classifier import Classifier, Preprocessing
from exray.models.input_fit import CastInput
from exray.models.splitting.split_classifier import SplitClassifier
from exray.models.straight_through import StraightThrough, has_gradient, with_gradient
from exray.scanners.inversion.fast_logits import FastLogits


class Hiding(nn.Module):
    """Two convolutions behind a step."""

    def __init__(self, step):
        super().__init__()
        self.step = step
        self.first = nn.Conv2d(3, 4, 3)
        self.second = nn.Conv2d(4, 5, 3)

    def head(self, images):
        return self.second(self.first(images).relu()).mean(dim=(2, 3))

    def forward(self, images):
        return self.step(self, images)


def in_place(network, images):
    levels = images * 255
    levels.round_()
    return network.head(levels / 255)


def without_gradients(network, images):
    with torch.no_grad():
        features = network.first(images).relu()
    return network.second(features).mean(dim=(2, 3))


STEPS = {
    "round": lambda network, images: network.head((images * 255).round() / 255),
    "decimals": lambda network, images: network.head(torch.round(images, decimals=2)),
    "floor": lambda network, images: network.head(torch.floor(images * 255) / 255),
    "uint8": lambda network, images: network.head((images * 255).to(torch.uint8).float() / 255),
    "byte": lambda network, images: network.head((images * 255).byte() / 255),
    "detach": lambda network, images: network.head(images.detach()),
    "data": lambda network, images: network.head(images.data),
    "in place": in_place,
    "no_grad": without_gradients,
}


@pytest.fixture
def hiding():
    def make(step):
        return Classifier(Hiding(step), Preprocessing(), num_classes=5, name="hiding")

    return make


@pytest.fixture
def images():
    return torch.rand(4, 3, 8, 8)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_that_hides_the_gradient_lets_it_pass(hiding, images, name):
    classifier = hiding(STEPS[name])
    assert not has_gradient(classifier, images)
    other = with_gradient(classifier, images)
    assert isinstance(other.network, StraightThrough)
    assert has_gradient(other, images)
    torch.testing.assert_close(other(images), classifier(images))


def test_the_gradient_is_that_of_the_network_without_the_step(hiding, images):
    plain, rounded = hiding(Hiding.head), hiding(STEPS["round"])
    rounded.network.load_state_dict(plain.network.state_dict())
    whole = (images * 255).round() / 255  # where the step changes nothing
    gradients = []
    for classifier in (plain, with_gradient(rounded, images)):
        leaf = whole.clone().requires_grad_()
        gradients.append(torch.autograd.grad(classifier(leaf)[:, 1].sum(), leaf)[0])
    torch.testing.assert_close(gradients[1], gradients[0])


def test_a_network_with_a_gradient_is_left_alone(hiding, images):
    classifier = hiding(Hiding.head)
    assert with_gradient(classifier, images) is classifier


def test_a_network_that_works_in_place_on_its_input_has_a_gradient(hiding, images):
    before = images.clone()
    assert has_gradient(hiding(lambda network, x: network.head(x.sub_(0.5))), images)
    assert torch.equal(images, before)


@pytest.mark.parametrize(
    "step",
    [
        lambda network, x: nn.functional.one_hot(network.head(x).argmax(dim=1), 5).float(),
        lambda network, x: network.head(torch.from_numpy(x.detach().numpy().copy())),
    ],
)
def test_what_no_step_explains_gets_no_gradient(hiding, images, step):
    assert with_gradient(hiding(step), images) is None


def test_both_parts_of_a_split_pass_the_gradient(hiding, images):
    classifier = with_gradient(hiding(without_gradients), images).tempered(2.0)
    split = SplitClassifier.of(classifier, "last_conv", images)
    leaf = images.clone().requires_grad_()
    logits = split.head(split.features(leaf))
    torch.testing.assert_close(logits.detach(), classifier(images).detach())
    assert torch.autograd.grad(logits[:, 0].sum(), leaf)[0].abs().sum() > 0


def test_fast_logits_keep_the_gradient(hiding, images):
    fast = FastLogits(with_gradient(hiding(STEPS["round"]), images), images)
    leaf = images.clone().requires_grad_()
    assert torch.autograd.grad(fast(leaf)[:, 0].sum(), leaf)[0].abs().sum() > 0


def test_it_is_not_traced():
    with pytest.raises(TypeError, match="a straight-through network is not traced"):
        fx.symbolic_trace(StraightThrough(nn.Identity()))


class OnlyBytes(nn.Module):
    """Looks at the type of its images before it makes floats of them."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(12, 3)

    def forward(self, images):
        assert images.dtype is torch.uint8
        assert not images.is_floating_point()
        floats = images.float()
        assert floats.dtype is torch.float32
        return self.last(floats.flatten(1) / 255)


def test_a_network_of_bytes_has_a_gradient_and_sees_bytes():
    network = CastInput(OnlyBytes(), torch.uint8)
    classifier = Classifier(network, Preprocessing(scaling="byte"), num_classes=3, name="bytes")
    images = torch.rand(4, 3, 2, 2)
    assert not has_gradient(classifier, images)
    other = with_gradient(classifier, images)
    assert torch.equal(other.predict(images), classifier.predict(images))
    assert has_gradient(other, images)
