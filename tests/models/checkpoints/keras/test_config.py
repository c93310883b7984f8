"""Keras' descriptions of networks, read as chains of layers."""

import json
import re

import keras_files as keras
import pytest

from exray.models.checkpoints.keras.config import LayerConfig, chain_of, input_shape
from exray.models.checkpoints.keras.weights import KerasError
from exray.models.checkpoints.reader import read_checkpoint


def branched():
    """A residual block: ``add`` has two inputs."""
    description = json.loads(keras.chained([keras.conv("c", 4, (3, 3)), keras.layer("Add", "add")]))
    description["config"]["layers"][-1]["inbound_nodes"] = [
        [["c", 0, 0, {}], ["input_1", 0, 0, {}]]
    ]
    return json.dumps(description)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (branched(), "is no plain chain: add has 2 inputs"),
        ("[" * 100_000, "describes its network in no JSON"),
        ('{"class_name": "Sequential"}', "describes its network in no way of Keras'"),
        ('{"class_name": "Sequential", "config": []}', "describes no list of layers"),
        ('{"class_name": "Mine", "config": {}}', "describes a Mine, not a plain chain of layers"),
        (keras.sequential([], (None, 3, 8, 8)), r"takes \[None, 3, 8, 8\], not images with their"),
    ],
)
def test_a_description_that_is_no_chain_is_told(tmp_path, config, reason):
    path = keras.whole(tmp_path / "m.h5", config, {"c": keras.kernel(3, 3, 3, 4)})
    assert re.search(reason, read_checkpoint(path).unbuilt)


@pytest.mark.parametrize("describe", [keras.sequential, keras.chained])
def test_a_chain_is_read_in_order_with_the_size_of_its_images(describe):
    layers = [keras.conv("c", 4, (3, 3)), keras.layer("Flatten", "f"), keras.layer("ReLU", "r")]
    config = describe(layers, (None, 7, None, 3))
    chain = chain_of(config)
    assert [(layer.kind, layer.name) for layer in chain] == [
        ("InputLayer", "input_1"), ("Conv2D", "c"), ("Flatten", "f"), ("ReLU", "r"),
    ]  # fmt: skip
    assert chain[1].pair("kernel_size") == (3, 3)
    assert input_shape(config) == (7, None)


def test_the_order_is_that_of_the_links_whatever_the_order_of_the_list():
    layers = [keras.conv("c", 4, (3, 3)), keras.layer("Flatten", "f")]
    description = json.loads(keras.chained(layers))
    description["config"]["layers"].reverse()
    names = [layer.name for layer in chain_of(json.dumps(description))]
    assert names == ["input_1", "c", "f"]


def settings(**values):
    return LayerConfig(kind="Conv2D", name="c", values=values)


def test_settings_are_read_in_all_of_keras_ways_to_write_them():
    assert settings(size=2).pair("size") == settings(size=[2, 2]).pair("size") == (2, 2)
    assert settings().pair("size", 3) == (3, 3)
    assert settings(alpha={"config": {"value": 0.25}}).number("alpha", 1.0) == 0.25
    assert settings(padding=[1, 2]).padding() == ((1, 1), (2, 2))
    assert settings(padding=[[1, 2], [3, 4]]).padding() == ((1, 2), (3, 4))
    assert settings().word("activation", "linear") == "linear"
    assert settings().flag("use_bias")
    assert not settings(use_bias=False).flag("use_bias")


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (lambda layer: layer.pair("key"), [0, 1]),
        (lambda layer: layer.pair("key"), 513),
        (lambda layer: layer.pair("key"), [1, 2, 3]),
        (lambda layer: layer.number("key", 1.0), 1e6),
        (lambda layer: layer.number("key", 1.0), float("nan")),
        (lambda layer: layer.number("key", 1.0), "one"),
        (lambda layer: layer.word("key", ""), ["same"]),
    ],
)
def test_a_setting_of_another_kind_or_size_is_refused(read, value):
    with pytest.raises(KerasError, match=r"has key=.* in the layer c \(Conv2D\)"):
        read(settings(key=value))
