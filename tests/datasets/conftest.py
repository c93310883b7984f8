"""A stranger's model file with a folder of images."""

import pytest
import torch
from PIL import Image

from exray.datasets.folder import FolderDataset
from exray.datasets.preprocess import FolderPreprocess

FACTORY = """
from collections import OrderedDict
from torch import nn

def colours():
    return nn.Sequential(OrderedDict(
        colours=nn.Conv2d(3, 4, 1), relu=nn.ReLU(), pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(), linear=nn.Linear(4, 3),
    ))

def probabilities():
    network = colours()
    network.add_module("softmax", nn.Softmax(dim=1))
    return network

class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        for name, module in colours().named_children():
            self.add_module(name, module)

    def forward(self, x):
        x = self.pool(self.relu(self.colours(x)))
        return self.linear(self.flatten(x)).softmax(dim=1)

def broken():
    raise OSError("no disk")

def number():
    return 5
"""
PLAIN = FolderPreprocess(size=None, crop=None, mean=(), std=(), scaling="unit")


@pytest.fixture
def weights(trojaned):
    return trojaned.network.state_dict()


@pytest.fixture
def folder(tmp_path, weights, colour_samples):
    """A model file, its factory, and two images of each colour."""
    torch.save(weights, tmp_path / "model.pt")
    (tmp_path / "factory.py").write_text(FACTORY)
    pixels = (colour_samples.images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    for label in range(3):
        (tmp_path / "images" / str(label)).mkdir(parents=True)
        for index in range(2):
            place = tmp_path / "images" / str(label) / f"{index}.png"
            Image.fromarray(pixels[6 * label + index]).save(place)
    return tmp_path


@pytest.fixture
def source(folder):
    def make(factory="colours", *, preprocess=PLAIN, **values):
        known = {
            "name": "folder",
            "model": str(folder / "model.pt"),
            "images": str(folder / "images"),
            "architecture": None,
            "factory": f"{folder / 'factory.py'}:{factory}" if factory else None,
            "num_classes": None,
            "weights": None,
            "limit_per_class": None,
        }
        return FolderDataset(preprocess=preprocess, **{**known, **values})

    return make
