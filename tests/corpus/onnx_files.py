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


class OfUnitImages(nn.Module):
    """A network that normalises its images itself, as exported ones often do."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(2 * images - 1)


def exported(network, images, *, opset=None, dynamo=False, num_images=None):
    """The bytes that one of torch's exporters writes, for any number of images or for so many."""
    buffer = io.BytesIO()
    any_number = {"dynamic_axes": {"images": {0: "n"}, "logits": {0: "n"}}}
    if dynamo:
        any_number = {"dynamic_shapes": ({0: torch.export.Dim("n")},)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one advertises its successor, the other its parts
        program = torch.onnx.export(
            network,
            (images[: num_images or 2],),
            None if dynamo else buffer,
            dynamo=dynamo,
            opset_version=opset,
            input_names=["images"],
            output_names=["logits"],
            verbose=False,
            **({} if num_images else any_number),
        )
    return program.model_proto.SerializeToString() if dynamo else buffer.getvalue()
