"""Networks of strangers, and what training scripts save of them."""

import argparse
import enum
import pathlib
import warnings
from collections import defaultdict

import numpy as np
import torch
from torch import nn

IMAGES = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    """A stranger's own class."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        return self.fc(self.pool(self.features(x)).flatten(1))


class WithHead(Net):
    """The same, trained with an auxiliary head that eval mode does not use."""

    def __init__(self):
        super().__init__()
        self.aux1 = nn.Linear(4, 4)


class Tied(nn.Module):
    """Two names of one weight."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.second(self.first(self.conv(x).mean((2, 3))))


class Mode(enum.Enum):
    """A setting."""

    TRAIN = "train"


class Trainer:
    """What training scripts pickle beside their weights."""

    def __init__(self, net):
        self.net, self.best = net.state_dict(), 0.9


class Harmful:
    """Pickles into a call of os.system."""

    def __reduce__(self):
        return exec, ("raise SystemExit",)


def trained(kind=Net):
    """The network with weights of its own."""
    torch.manual_seed(0)
    net = kind()
    for value in net.buffers():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5)
    return net.eval()


def known():
    """A network of torch's own layers."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(4, 4),
    ).eval()  # fmt: skip


def state():
    return trained().state_dict()


def prefixed(*prefixes, values=None):
    values = values or state()
    return {prefix + name: value for prefix in prefixes for name, value in values.items()}


def without(module, *names):
    """A module without attributes that older versions of torch did not store."""
    for name in names:
        del module.__dict__[name]
    return module


def normalised(norm):
    net = trained()
    norm(net.features[0])
    norm(net.fc)
    net(IMAGES)
    return net


def old_layers():
    net = known()
    without(net[0], "padding_mode", "_reversed_padding_repeated_twice")
    without(net[2], "approximate")
    without(net[3], "divisor_override")
    without(net[1], "track_running_stats")
    del net[1]._buffers["num_batches_tracked"]
    return net


def lightning(prefix):
    return {
        "epoch": 3, "global_step": 10, "pytorch-lightning_version": "2.4.0",
        "state_dict": prefixed(prefix) | {"criterion.weight": torch.ones(4),
                                          "val_acc.correct": torch.tensor(3)},
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 1}}}},
        "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.9),
                                          "dirpath": pathlib.PurePosixPath("/runs/a")}},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(9)}}, "param_groups": [{}]}],
        "hyper_parameters": defaultdict(int, {"lr": 0.1, "mode": Mode.TRAIN}),
    }  # fmt: skip


def timm_training():
    other = {name: value + 1 for name, value in state().items()}
    return {"epoch": 3, "arch": "resnet18", "state_dict": state(), "state_dict_ema": other,
            "optimizer": {"state": {}, "param_groups": []},
            "args": argparse.Namespace(lr=0.1, out=pathlib.PurePosixPath("/a")),
            "metric": 0.9}  # fmt: skip


def attack_result():
    data = {"bd_data_container": {"data_dict": {3: {"path": "3.png"}}},
            "poison_indicator": np.array([0, 1]), "original_index_array": np.arange(2)}  # fmt: skip
    return {"model_name": "preactresnet18", "num_classes": 4, "model": state(),
            "data_path": "data", "img_size": [32, 32, 3], "clean_data": "cifar10",
            "bd_train": data, "bd_test": data}  # fmt: skip


def on_cuda(path, content):
    """A file of tensors that were on a GPU: the location is a text in the pickle."""
    torch.save(content, path)
    torch.serialization.location_tag, kept = (lambda _: "cuda:3"), torch.serialization.location_tag
    try:
        torch.save(content, path)
    finally:
        torch.serialization.location_tag = kept


def quantised():
    layers = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(layers, {nn.Linear}).state_dict()


def averaged():
    return torch.optim.swa_utils.AveragedModel(trained()).state_dict()


def legacy(content):
    return lambda path: torch.save(content(), path, _use_new_zipfile_serialization=False)


def scripted(path):
    torch.jit.save(torch.jit.trace(trained(), IMAGES), path)


def exported(path):
    torch.export.save(torch.export.export(trained(), (IMAGES,)), path)


def half(dtype):
    return {name: value.to(dtype) if value.is_floating_point() else value
            for name, value in state().items()}  # fmt: skip


def numpy_state():
    return {name: value.numpy() for name, value in state().items()}


def _plus_one(net):
    net.load_state_dict({name: value + 1 for name, value in net.state_dict().items()})
    return net


def _cast(dtype):
    net = trained()
    net.load_state_dict(half(dtype))
    return net


def _evaluated(net):
    return net.eval()
