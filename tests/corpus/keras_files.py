"""HDF5 files as Keras writes them, and forward passes of them in numpy, channels last."""

import json

import h5py
import numpy as np

SEED = 7


def layer(kind, name, /, **values):
    return {"class_name": kind, "config": {"name": name, **values}}


def conv(name, filters, kernel, **values):
    usual = {"strides": [1, 1], "padding": "valid", "activation": "linear", "use_bias": True}
    return layer("Conv2D", name, filters=filters, kernel_size=list(kernel), **{**usual, **values})


def sequential(layers, shape=(None, 8, 8, 3)):
    first = layer("InputLayer", "input_1", batch_input_shape=list(shape))
    return json.dumps({"class_name": "Sequential", "config": {"layers": [first, *layers]}})


def chained(layers, shape=(None, 8, 8, 3)):
    """The same as a functional model of Keras 2."""
    told = [layer("InputLayer", "input_1", batch_input_shape=list(shape)), *layers]
    entries, before = [], []
    for each in told:
        name = each["config"]["name"]
        entries.append({**each, "name": name, "inbound_nodes": before})
        before = [[[name, 0, 0, {}]]]
    return json.dumps({"class_name": "Functional", "config": {"layers": entries}})


def whole(path, config, weights, **options):
    """``model.save``: a description, and groups of named weights under ``model_weights``."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = config
        named(file.create_group("model_weights"), weights, **options)
    return path


def weights_only(path, weights, **options):
    """``model.save_weights`` of Keras 2."""
    with h5py.File(path, "w") as file:
        named(file, weights, **options)
    return path


def named(group, weights, **options):
    group.attrs["layer_names"] = [name.encode() for name in weights]
    for name, arrays in weights.items():
        inner = group.create_group(name)
        inner.attrs["weight_names"] = [f"{name}/{key}:0".encode() for key in arrays]
        for key, array in arrays.items():
            inner.create_dataset(f"{name}/{key}:0", data=array, **options)


def numbered(path, weights):
    """``model.save_weights`` of Keras 3, whose layers lie in the order of their names."""
    with h5py.File(path, "w") as file:
        for name, arrays in weights.items():
            variables = file.create_group(f"layers/{name}/vars")
            for index, array in enumerate(arrays.values()):
                variables.create_dataset(str(index), data=array)
    return path


def random(*shape):
    return np.random.default_rng([SEED, *shape]).normal(size=shape).astype(np.float32)


def convolved(images, kernel, bias, *, stride=1, same=False):
    """A convolution, pixel by pixel: n h w c, kernels rows columns inputs outputs."""
    rows, columns = kernel.shape[:2]
    if same:
        high, wide = (
            _border(images.shape[1], rows, stride),
            _border(images.shape[2], columns, stride),
        )
        images = np.pad(images, [(0, 0), high, wide, (0, 0)])
    high = (images.shape[1] - rows) // stride + 1
    wide = (images.shape[2] - columns) // stride + 1
    found = np.zeros((len(images), high, wide, kernel.shape[3]))
    for y in range(high):
        for x in range(wide):
            window = images[:, y * stride : y * stride + rows, x * stride : x * stride + columns]
            found[:, y, x] = np.einsum("nijc,ijco->no", window, kernel) + bias
    return found


def _border(side, span, stride):
    total = max((-(-side // stride) - 1) * stride + span - side, 0)
    return total // 2, total - total // 2


def normalised(values, norm, epsilon=1e-3):
    scaled = (values - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + epsilon)
    return scaled * norm["gamma"] + norm["beta"]


def norm(count):
    return {
        "gamma": 1 + 0.1 * random(count, 1)[:, 0],
        "beta": random(count, 2)[:, 0],
        "moving_mean": random(count, 3)[:, 0],
        "moving_variance": 0.5 + np.abs(random(count, 4)[:, 0]),
    }


def kernel(*shape):
    return {"kernel": random(*shape), "bias": random(shape[-1])}
