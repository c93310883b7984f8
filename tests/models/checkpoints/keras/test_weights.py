"""Keras' weights in PyTorch's layout, and in a network by their order."""

from pathlib import Path

import keras_files as keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from exray.errors import CheckpointError
from exray.models.checkpoints.keras.hdf5 import KerasLayer
from exray.models.checkpoints.keras.weights import KerasError, Kind, converted
from exray.models.checkpoints.reader import read_checkpoint
from exray.models.checkpoints.weights import load_state, state_for

HERE = Path(__file__).parent


def images(rows=8, columns=8, count=2):
    return np.random.default_rng(1).random((count, rows, columns, 3)).astype(np.float32)


def answer(network, pixels):
    return network(torch.from_numpy(pixels).permute(0, 3, 1, 2)).detach().numpy()


def test_weights_of_keras_three_fit_the_same_network_by_their_order():
    network = read_checkpoint(HERE / "whole.h5").network
    path = HERE / "keras3.weights.h5"
    checkpoint = read_checkpoint(path)
    assert checkpoint.network is None
    state, _ = state_for(network, checkpoint, path)
    for key, value in network.state_dict().items():
        assert key.endswith("num_batches_tracked") or torch.equal(state[key], value), key


@pytest.mark.parametrize("write", [keras.weights_only, keras.numbered])
def test_weights_alone_fit_a_factorys_network_layer_by_layer(tmp_path, write):
    """Twelve convolutions: conv2d_10 comes after conv2d_9, though not in the alphabet."""
    names = ["conv2d", *(f"conv2d_{index}" for index in range(1, 12))]
    weights = {name: keras.kernel(1, 1, 3, 3) for name in names}
    for index, name in enumerate(names):
        weights[name]["bias"] = np.full(3, index, dtype=np.float32)
    weights["dense"] = keras.kernel(12, 2)
    path = write(tmp_path / "m.h5", weights)
    parts = [nn.Conv2d(3, 3, 1) for _ in names]
    network = nn.Sequential(*parts, nn.AvgPool2d(4), nn.Flatten(), nn.Linear(12, 2))
    network.requires_grad_(False)
    load_state(network, state_for(network, read_checkpoint(path), path)[0], path)
    assert [float(network[index].bias[0]) for index in range(12)] == list(range(12))
    features = images()
    for name in names:
        features = features @ weights[name]["kernel"][0, 0] + weights[name]["bias"]
    pooled = features.reshape(2, 2, 4, 2, 4, 3).mean(axis=(2, 4)).reshape(2, -1)
    expected = pooled @ weights["dense"]["kernel"] + weights["dense"]["bias"]
    assert answer(network, images()) == pytest.approx(expected, rel=1e-3)


def test_weights_of_another_number_of_layers_are_refused(tmp_path):
    path = keras.weights_only(tmp_path / "m.h5", {"c": keras.kernel(3, 3, 3, 4)})
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3))
    with pytest.raises(CheckpointError, match="has 1 convolutions, but the network has 2; name"):
        state_for(network, read_checkpoint(path), path)


def converted_from(arrays, name="layer"):
    weights = {key: torch.from_numpy(array) for key, array in arrays.items()}
    return converted(KerasLayer(name=name, weights=weights))


def test_a_converted_kernel_convolves_as_keras_does():
    kernel = keras.kernel(3, 2, 3, 4)
    layer = converted_from(kernel)
    pixels = torch.from_numpy(images()).permute(0, 3, 1, 2)
    answers = F.conv2d(pixels, layer.values["weight"], layer.values["bias"])
    expected = keras.convolved(images(), kernel["kernel"], kernel["bias"])
    assert layer.kind is Kind.CONVOLUTION
    assert answers.permute(0, 2, 3, 1).numpy() == pytest.approx(expected, abs=1e-5)


def test_a_norm_without_scale_and_shift_gets_those_that_change_nothing():
    arrays = {key: keras.norm(4)[key] for key in ("moving_mean", "moving_variance")}
    layer = converted_from(arrays)
    assert layer.kind is Kind.NORM
    assert layer.values["weight"].tolist() == [1.0] * 4
    assert layer.values["bias"].tolist() == [0.0] * 4
    assert layer.values["running_mean"].tolist() == arrays["moving_mean"].tolist()
    assert converted_from({}) is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"kernel": keras.random(2, 3, 4)},
            r"layer that exray does not read \(kernel 2x3x4",
        ),
        ({"kernel": keras.random(2, 3), "bias": keras.random(4)}, "does not read .*, bias 4"),
        ({"gamma": keras.random(4)}, "a batch normalisation layer without mean and variance"),
        (
            {**keras.norm(4), "beta": keras.random(3)},
            "normalisation layer of several lengths",
        ),
    ],
)
def test_weights_of_no_layer_that_is_read_are_refused_with_their_sides(arrays, message):
    with pytest.raises(KerasError, match=message):
        converted_from(arrays)
