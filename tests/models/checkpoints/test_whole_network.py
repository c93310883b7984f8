"""Whole pickled networks: the 23 of TrojAI, old names, and what no constructor makes."""

import importlib
import sys
import warnings
from types import ModuleType

import pytest
import torch
from torch import nn

from exray.errors import CheckpointError
from exray.models.checkpoints.reader import read_checkpoint

models = pytest.importorskip("torchvision.models")
pytestmark = pytest.mark.usefixtures("one_thread")

TROJAI = [
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "wide_resnet50_2",
    "wide_resnet101_2",
    "googlenet",
    "inception_v3",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
    "squeezenet1_0",
    "squeezenet1_1",
    "mobilenet_v2",
    "shufflenet_v2_x1_0",
    "shufflenet_v2_x1_5",
    "shufflenet_v2_x2_0",
    "vgg11_bn",
    "vgg13_bn",
    "vgg16_bn",
    "vgg19_bn",
]
CLASSES = 5


def module(name):
    # "from torchvision.models import googlenet" gives the function
    return importlib.import_module(f"torchvision.models.{name}")


def small_resnet(block="BasicBlock"):
    resnet = module("resnet")
    return resnet.ResNet(vars(resnet)[block], [1, 1, 1, 1], num_classes=CLASSES)


def small_vgg():
    network = models.vgg11_bn(weights=None, num_classes=CLASSES, init_weights=False)
    network.avgpool = nn.AdaptiveAvgPool2d(1)
    network.classifier = nn.Sequential(nn.Linear(512, CLASSES))
    return network


def auxiliary(name):
    return vars(models)[name](
        weights=None, num_classes=CLASSES, aux_logits=False, init_weights=False
    )


SMALL = {
    "resnet": small_resnet,
    "resnet_bottleneck": lambda: small_resnet("Bottleneck"),
    "densenet": lambda: module("densenet").DenseNet(8, (2, 2), 16, num_classes=CLASSES),
    "googlenet": lambda: auxiliary("googlenet"),
    "inception": lambda: auxiliary("inception_v3"),
    "squeezenet": lambda: models.squeezenet1_1(weights=None, num_classes=CLASSES),
    "mobilenet": lambda: models.mobilenet_v2(weights=None, num_classes=CLASSES, width_mult=0.25),
    "shufflenet": lambda: models.shufflenet_v2_x0_5(weights=None, num_classes=CLASSES),
    "vgg": small_vgg,
}


def lively(network):
    """The network in eval mode, its batch norms no identities."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.8, 1.2)
    return network.eval().requires_grad_(False)


def save(network, path, zipped=True):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(network, path, _use_new_zipfile_serialization=zipped)
    return path


def agrees(network, checkpoint, size=80):
    """Whether both classify alike, to the last bit."""
    images = torch.rand(1, 3, size, size)
    pairs = zip(network.state_dict().items(), checkpoint.network.state_dict().items(), strict=True)
    assert all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)
    return torch.equal(checkpoint.network(images), network(images))


@pytest.mark.parametrize("family", SMALL)
def test_each_family_comes_back_identical(tmp_path, family):
    network = lively(SMALL[family]())
    checkpoint = read_checkpoint(save(network, tmp_path / "model.pt"))
    assert agrees(network, checkpoint)
    assert "were added" not in checkpoint.remarks[0]


@pytest.mark.parametrize("family", ["densenet", "squeezenet", "shufflenet"])
def test_each_form_of_before_torch_1_6_comes_back_identical(tmp_path, family):
    network = lively(SMALL[family]())
    assert agrees(network, read_checkpoint(save(network, tmp_path / "model.pt", zipped=False)))


@pytest.mark.slow
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", TROJAI)
def test_each_of_the_23_architectures_comes_back_identical(tmp_path, name, zipped):
    known = name in ("googlenet", "inception_v3")
    network = auxiliary(name) if known else vars(models)[name](weights=None, num_classes=CLASSES)
    checkpoint = read_checkpoint(save(lively(network), tmp_path / "model.pt", zipped))
    assert agrees(network, checkpoint, size=299 if name == "inception_v3" else 224)


class ConvBNReLU(nn.Sequential):
    """As torchvision 0.8 and before called a convolution with its batch norm."""


@pytest.fixture
def before_0_9(monkeypatch):
    """torchvision as it was called when MobileNetV2 lay in torchvision.models.mobilenet."""
    old = ModuleType("torchvision.models.mobilenet")
    new = module("mobilenetv2")
    monkeypatch.setattr(ConvBNReLU, "__module__", old.__name__)
    monkeypatch.setitem(sys.modules, old.__name__, old)
    for kind in (new.MobileNetV2, new.InvertedResidual, ConvBNReLU):
        vars(old)[kind.__name__] = kind
        monkeypatch.setattr(kind, "__module__", old.__name__)
    return monkeypatch


@pytest.mark.parametrize("zipped", [True, False])
def test_mobilenet_of_2020_is_known_under_its_old_names(tmp_path, before_0_9, zipped):
    network = lively(SMALL["mobilenet"]())
    for name, block in list(network.named_modules()):
        if type(block).__name__ == "Conv2dNormActivation":
            parent, _, child = name.rpartition(".")
            setattr(network.get_submodule(parent), child, ConvBNReLU(*block))
    path = save(network, tmp_path / "model.pt", zipped)
    assert b"torchvision.models.mobilenet\nConvBNReLU" in path.read_bytes()
    before_0_9.undo()
    assert agrees(network, read_checkpoint(path))


def test_inception_of_before_0_7_gets_the_parts_it_did_not_store(tmp_path):
    network = lively(SMALL["inception"]())
    images = torch.rand(1, 3, 80, 80)
    expected = network(images)
    for name in ("maxpool1", "maxpool2", "avgpool", "dropout"):
        delattr(network, name)
    del network.AuxLogits
    checkpoint = read_checkpoint(save(network, tmp_path / "model.pt"))
    assert torch.equal(checkpoint.network(images), expected)
    added = "Inception3.AuxLogits, Inception3.maxpool1, Inception3.maxpool2, Inception3.avgpool"
    assert f"; {added}, Inception3.dropout were added, which its" in checkpoint.remarks[0]


def altered(change):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1))
    change(network)
    return network


def nested(network):
    for _ in range(40):
        network[0] = nn.Sequential(network[0], network[0])


def inside_itself(network):
    network[0] = nn.Sequential(network)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda n: n[2].__dict__.update(output_size=10**6), r"output_size=1000000 in AdaptiveAvg"),
        (lambda n: n[0].__dict__.update(padding=(9**9, 0)), r"padding=\(387420489, 0\) in Conv2d"),
        (lambda n: n[0].__dict__.update(forward=nn.ReLU()), "replaces forward of a Conv2d"),
        (lambda n: n[0].__dict__.update(_conv_forward=nn.ReLU()), "replaces _conv_forward of a C"),
        (lambda n: n[0]._forward_hooks.update({0: nn.ReLU()}), "functions hooked into a Conv2d"),
        (lambda n: n._modules.update({"0": 5}), "holds no layer under '0'"),
        (lambda n: n[1]._buffers.update(running_mean="zero"), "no tensor among the buffers of a B"),
        (lambda n: n[0].__dict__.update(_parameters=3), "holds a Conv2d without its parameters"),
        (nested, "holds the same part twice, as '1'"),
        (inside_itself, "holds the same part twice, as '0'"),
    ],
)
def test_what_no_constructor_makes_is_refused(tmp_path, change, said):
    path = save(altered(change), tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=f"a network that no constructor makes: it .*{said}"):
        read_checkpoint(path)
