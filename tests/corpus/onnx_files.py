"""ONNX files of small classifiers."""

import io
import warnings

import torch
from torch import nn


def plain_network():
    """Two convolutions with batch norm, four classes."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 4),
    )  # fmt: skip
    network.train()(torch.rand(8, 3, 16, 16))
    return network.eval()


def exported(network, images):
    """The bytes that torch's exporter writes, for any number of images."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it advertises its successor
        torch.onnx.export(
            network,
            (images,),
            buffer,
            dynamo=False,
            input_names=["images"],
            output_names=["logits"],
            dynamic_axes={"images": {0: "n"}, "logits": {0: "n"}},
        )
    return buffer.getvalue()
