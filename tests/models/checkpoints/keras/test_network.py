"""Networks that Keras described answer as Keras says, and nothing else is built."""

import csv
import json
import os
import re
from pathlib import Path

import keras_files as keras
import numpy as np
import pytest
import torch

from exray.images.folder import read_folder
from exray.models.architectures.factory import network_from_factory
from exray.models.checkpoints.reader import network_problem, read_checkpoint, read_state
from exray.models.checkpoints.weights import load_state

HERE = Path(__file__).parent
SHARED = Path(__file__).parents[4] / os.environ.get("EXRAY_SHARED_DATA", "../shared/data")
THIRD_PARTY = SHARED / "third_party"


def images(rows=8, columns=8, count=2):
    return np.random.default_rng(1).random((count, rows, columns, 3)).astype(np.float32)


def answer(network, pixels):
    return network(torch.from_numpy(pixels).permute(0, 3, 1, 2)).detach().numpy()


def built(tmp_path, layers, weights, *, shape=(None, 8, 8, 3), describe=keras.sequential):
    path = keras.whole(tmp_path / "m.h5", describe(layers, shape), weights)
    checkpoint = read_checkpoint(path)
    assert checkpoint.network is not None, checkpoint.unbuilt
    return checkpoint.network


@pytest.mark.usefixtures("own_process")
def test_a_file_of_keras_itself_answers_as_keras_said():
    checkpoint = read_checkpoint(HERE / "whole.h5")
    said = [[0.12936892, 0.26730183, 0.60332924], [0.12957828, 0.270345, 0.60007674]]
    assert answer(checkpoint.network, images(8, 6)) == pytest.approx(np.array(said), abs=1e-6)
    assert checkpoint.remarks == (
        "whole.h5 is Keras' HDF5; its network was built of PyTorch's layers",
    )
    assert network_problem(HERE / "whole.h5") == ""
    assert network_problem(HERE / "keras3.weights.h5") == "holds weights without a network"


@pytest.mark.parametrize("describe", [keras.sequential, keras.chained])
def test_a_network_worked_out_by_hand(tmp_path, describe):
    """One filter sums a pixel's colours; the dense layer weighs four pixels of two channels."""
    kernel = np.zeros((1, 1, 3, 2), dtype=np.float32)
    kernel[0, 0, :, 0] = 1.0  # channel 0: the sum of the colours
    kernel[0, 0, 0, 1] = 2.0  # channel 1: twice the red
    dense = np.arange(16, dtype=np.float32).reshape(8, 2)  # rows: y x c, as Keras flattens
    weights = {
        "conv": {"kernel": kernel, "bias": np.zeros(2, dtype=np.float32)},
        "dense": {"kernel": dense, "bias": np.array([0.0, 100.0], dtype=np.float32)},
    }
    layers = [
        keras.conv("conv", 2, (1, 1)),
        keras.layer("Flatten", "flat"),
        keras.layer("Dense", "dense", units=2, activation="linear"),
    ]
    network = built(tmp_path, layers, weights, shape=(None, 2, 2, 3), describe=describe)
    pixels = np.zeros((1, 2, 2, 3), dtype=np.float32)
    pixels[0, 0, 1] = (1, 0, 0)  # upper right, red: features (1, 2) at y x = 0 1
    pixels[0, 1, 0] = (0, 5, 0)  # lower left, green: features (5, 0) at y x = 1 0
    # Rows of the dense layer: 2 and 3 for the first, 4 and 5 for the second.
    first = 1 * dense[2] + 2 * dense[3]
    second = 5 * dense[4]
    assert answer(network, pixels)[0].tolist() == (first + second + (0, 100)).tolist()
    assert answer(network, pixels)[0].tolist() == [56.0, 164.0]


@pytest.mark.parametrize(
    ("kernel", "stride", "rows"), [((3, 3), 1, 8), ((2, 2), 1, 8), ((3, 3), 2, 8), ((5, 4), 2, 7)]
)
def test_same_padding_and_strides_are_those_of_keras(tmp_path, kernel, stride, rows):
    conv = keras.kernel(*kernel, 3, 4)
    layers = [
        keras.conv("c", 4, kernel, strides=[stride, stride], padding="same", activation="relu"),
        keras.layer("GlobalMaxPooling2D", "pool"),
    ]
    network = built(tmp_path, layers, {"c": conv}, shape=(None, rows, 8, 3))
    pixels = images(rows)
    expected = keras.convolved(pixels, conv["kernel"], conv["bias"], stride=stride, same=True)
    expected = np.maximum(expected, 0).max(axis=(1, 2))
    assert answer(network, pixels) == pytest.approx(expected, abs=1e-4)


def test_a_norm_between_flatten_and_dense_is_reordered_too(tmp_path):
    conv, norm, dense = keras.kernel(3, 3, 3, 4), keras.norm(36), keras.kernel(36, 3)
    layers = [
        keras.conv("c", 4, (3, 3), activation="relu"),
        keras.layer("MaxPooling2D", "p", pool_size=[2, 2], strides=[2, 2], padding="valid"),
        keras.layer("Flatten", "f"),
        keras.layer("BatchNormalization", "n", axis=[1], epsilon=1e-3, scale=True, center=True),
        keras.layer("Dense", "d", units=3, activation="softmax"),
    ]
    network = built(tmp_path, layers, {"c": conv, "n": norm, "d": dense})
    pixels = images()
    features = np.maximum(keras.convolved(pixels, conv["kernel"], conv["bias"]), 0)
    features = features.reshape(2, 3, 2, 3, 2, 4).max(axis=(2, 4)).reshape(2, -1)
    logits = keras.normalised(features, norm) @ dense["kernel"] + dense["bias"]
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert answer(network, pixels) == pytest.approx(expected, abs=1e-5)


def test_depthwise_convolutions_pools_and_rescaling_are_those_of_keras(tmp_path):
    depthwise = {"depthwise_kernel": keras.random(3, 3, 3, 2), "bias": keras.random(6)}
    layers = [
        keras.layer("Rescaling", "r", scale=0.5, offset=-0.25),
        keras.layer("ZeroPadding2D", "z", padding=[[1, 0], [0, 1]]),
        keras.layer("DepthwiseConv2D", "dw", kernel_size=[3, 3], strides=[1, 1], padding="valid"),
        keras.layer("ReLU", "relu", max_value=6.0),
        keras.layer("AveragePooling2D", "a", pool_size=2, padding="valid"),
        keras.layer("GlobalAveragePooling2D", "g"),
    ]
    network = built(tmp_path, layers, {"dw": depthwise})
    pixels = images()
    padded = np.pad(pixels * 0.5 - 0.25, [(0, 0), (1, 0), (0, 1), (0, 0)])
    convolved = np.zeros((2, 7, 7, 6))
    for y in range(7):
        for x in range(7):
            window = padded[:, y : y + 3, x : x + 3]
            products = np.einsum("nijc,ijcm->ncm", window, depthwise["depthwise_kernel"])
            convolved[:, y, x] = products.reshape(2, 6) + depthwise["bias"]
    pooled = np.clip(convolved, 0, 6)[:, :6, :6].reshape(2, 3, 2, 3, 2, 6).mean(axis=(2, 4))
    assert answer(network, pixels) == pytest.approx(pooled.mean(axis=(1, 2)), abs=1e-5)


FLAT = (keras.layer("Flatten", "f"), keras.layer("Dense", "d", units=2, activation="linear"))
LSTM = keras.layer("LSTM", "l", units=3)


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ([keras.layer("Lambda", "l", function=["4wAAAA"])], "has a Lambda layer, l, which is code"),
        ([LSTM], "has a layer l of the class LSTM, which exray does not build; it builds: Conv2D,"),
        ([keras.conv("c", 4, (3, 3), data_format="channels_first")], "data_format=channels_first"),
        ([keras.conv("c", 4, (3, 3), activation={"class_name": "X"})], "has activation={'class_na"),
        ([keras.conv("c", 4, (3, 3), activation="mine")], "has activation=mine in the layer c"),
        ([keras.conv("c", 4, (5, 5))], r"has kernel_size=\[5, 5\] in the layer c"),
        ([keras.conv("c", 4, (3, 3), strides=[0, 1])], r"has strides=\[0, 1\] in the layer c"),
        ([keras.conv("c", 4, (3, 3), padding="causal")], "has padding=causal"),
        ([keras.conv("other", 4, (3, 3))], "holds no weights that fit its layer other"),
        ([keras.layer("ZeroPadding2D", "z", padding=10**9)], "has padding=1000000000"),
        ([keras.layer("MaxPooling2D", "p", pool_size=10**9)], "has pool_size=1000000000"),
        ([keras.layer("LeakyReLU", "r", alpha=1e300)], "has alpha=1e"),
        ([keras.layer("Dense", "d", units=2)], "applies a dense layer d at every pixel"),
        ([keras.conv("c", 4, (3, 3)), FLAT[0]], "ends with a flattened feature map"),
        ([keras.conv("c", 4, (3, 3)), *FLAT], "has weights in d that the feature map does not fit"),
    ],
)
def test_a_layer_that_is_not_built_is_named_and_its_weights_are_still_there(
    tmp_path, layers, reason
):
    weights = {"c": keras.kernel(3, 3, 3, 4), "d": keras.kernel(10, 2)}
    path = keras.whole(tmp_path / "m.h5", keras.sequential(layers), weights)
    checkpoint = read_checkpoint(path)
    assert checkpoint.network is None
    assert re.search(reason, checkpoint.unbuilt)
    assert list(checkpoint.state) == ["c.weight", "c.bias", "d.weight", "d.bias"]


NAMES = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean"}
PLAIN = {
    "relu": lambda name: keras.layer("Activation", name, activation="relu"),
    "maxpool2": lambda name: keras.layer("MaxPooling2D", name, pool_size=[2, 2]),
    "flatten_nhwc": lambda name: keras.layer("Flatten", name),
}


def in_keras_form(structure, state):
    """A list of operations and its state dict, as Keras would have saved them."""
    layers, weights = [], {}
    for index, operation in enumerate(structure):
        kind, name = operation["op"], f"{operation['op']}_{index}"
        own = {
            key.rpartition(".")[2]: value.numpy()
            for key, value in state.items()
            if key.startswith(f"mods.{index}.") and not key.endswith("tracked")
        }
        if kind == "conv":
            weights[name] = {"kernel": own["weight"].transpose(2, 3, 1, 0), "bias": own["bias"]}
            layers.append(keras.conv(name, operation["w"][0], (3, 3), padding="same"))
        elif kind == "fc":
            weights[name] = {"kernel": own["weight"].T, "bias": own["bias"]}
            layers.append(keras.layer("Dense", name, units=len(own["bias"]), activation="linear"))
        elif kind == "bn":
            values = {NAMES.get(key, "moving_variance"): value for key, value in own.items()}
            weights[name] = values
            layers.append(keras.layer("BatchNormalization", name, epsilon=operation["eps"]))
        else:
            layers.append(PLAIN[kind](name))
    return layers, weights


@pytest.mark.skipif(not THIRD_PARTY.is_dir(), reason=f"{THIRD_PARTY} is absent")
def test_a_third_partys_network_in_keras_form_answers_as_it_did(tmp_path):
    """Six convolutions on real traffic signs; its own network flattens channels last, as Keras."""
    structure = json.loads((THIRD_PARTY / "structures.json").read_text())["gtsrb_six_conv"]
    model = THIRD_PARTY / "models" / "gtsrb_six_conv_trojaned.pt"
    layers, weights = in_keras_form(structure, read_state(model))
    path = keras.whole(tmp_path / "m.h5", keras.sequential(layers, (None, 32, 32, 3)), weights)
    network = read_checkpoint(path).network
    samples = read_folder(
        THIRD_PARTY / "images" / "gtsrb", num_classes=43, size=None, crop=None, limit_per_class=2
    ).samples
    logits = network(samples.images)
    original = network_from_factory(f"{THIRD_PARTY}/factories.py:gtsrb_six_conv")
    load_state(original, read_state(model), model)
    expected = original.eval()(samples.images).detach()
    assert torch.allclose(logits, expected, atol=1e-3)
    with (THIRD_PARTY / "truth.csv").open() as file:
        rows = {row["model"]: row for row in csv.DictReader(file)}
    measured = float(rows["gtsrb_six_conv_trojaned"]["clean_accuracy"])
    accuracy = float((logits.argmax(dim=1) == samples.labels).double().mean())
    assert accuracy == pytest.approx(measured, abs=0.06)
