"""Networks of timm, built from a folder's plain values, and how timm prepares images."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from exray.errors import CheckpointError
from exray.extras import import_extra
from exray.models.checkpoints.weights import load_state
from exray.models.declared_input import INTERPOLATIONS, DeclaredInput
from exray.models.hub.construction import built, plain_values, skeleton
from exray.text import shown

_WRAPPED = "timm_model."  # before every name where transformers saved a network of timm
# Of create_model: they name files or repositories, or make something else than a classifier.
_NOT_OF_THE_NETWORK = (
    "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "pretrained_strict",
    "checkpoint_path", "cache_dir", "features_only", "out_indices", "feature_cfg",
    "kwargs_filter", "scriptable", "exportable", "no_jit", "model_name", "pretrained_filter_fn",
    "pretrained_custom_load", "device", "dtype",
)  # fmt: skip
_HARMLESS = ("num_classes", "in_chans", "global_pool")
_MAX_SIDE = 16384


def is_of_timm(config: Mapping[str, object]) -> bool:
    """Whether a ``config.json`` is timm's, or transformers' for a network of timm.

    Args:
        config: What the file says.

    Example:
        >>> is_of_timm({"architecture": "resnet18"}), is_of_timm({"model_type": "vit"})
        (True, False)
    """
    return "architecture" in config and config.get("model_type", "timm_wrapper") == "timm_wrapper"


def timm_network(
    config: Mapping[str, object], state: Mapping[str, Tensor], path: Path
) -> nn.Module:
    """The network that a ``config.json`` of timm describes, with its weights.

    Args:
        config: What the file says.
        state: The folder's weights.
        path: The folder, for messages.

    Raises:
        CheckpointError: If timm has no such network, or the weights do not fit it.
        ValueError: If timm is not installed.
    """
    timm = import_extra("timm", extra="timm", purpose=f"{path}, a folder of timm,")
    name = config["architecture"]
    if not isinstance(name, str) or not timm.is_model(name):
        raise CheckpointError(
            path, f"describes a network {shown(repr(name))}, which timm has not", "update timm"
        )
    settings = _settings(config, path)

    def build() -> nn.Module:
        network: nn.Module = timm.create_model(name, pretrained=False, **settings)
        return network

    if state and all(key.startswith(_WRAPPED) for key in state):
        state = {key.removeprefix(_WRAPPED): value for key, value in state.items()}
    kind = f"a {name}"
    try:
        skeleton(build, state, path, kind=kind)
        network = build()
    except NotImplementedError:  # then with no value of a stranger's but these
        settings = {key: settings[key] for key in _HARMLESS if key in settings}
        network = built(build, state, path, kind=kind)
    load_state(network, state, path)
    return network.eval().requires_grad_(False)


def _settings(config: Mapping[str, object], path: Path) -> dict[str, object]:
    """What timm builds the network with."""
    arguments = config.get("model_args")
    settings: dict[str, object] = {}
    if isinstance(arguments, dict):
        kept = {key: value for key, value in arguments.items() if key not in _NOT_OF_THE_NETWORK}
        settings |= plain_values(kept, path)
    top = {"num_classes": config.get("num_classes"), "global_pool": config.get("global_pool")}
    if not settings:  # those before timm 1.0.10 say how many channels there are in pretrained_cfg
        values = config.get("pretrained_cfg")
        shape = values.get("input_size") if isinstance(values, dict) else None
        top["in_chans"] = shape[0] if isinstance(shape, list) and shape else None
    for key, value in plain_values(top, path).items():
        if value is not None:
            settings.setdefault(key, value)
    return settings


def declared_by_timm(name: str) -> DeclaredInput | None:
    """How timm prepares images for a network of its own by that name.

    Args:
        name: timm's name, with the tag of its weights or without.

    Returns:
        What its ``pretrained_cfg`` says; None where it has none.
    """
    timm = import_extra("timm", extra="timm", purpose=f"architecture 'timm/{name}'")
    known = timm.models.get_pretrained_cfg(name, allow_unregistered=True)
    if known is None:
        return None
    return declared_by_values(known.to_dict(), source=f"timm's pretrained_cfg of {name}")


def declared_by_values(values: Mapping[str, object], *, source: str) -> DeclaredInput | None:
    """What a ``pretrained_cfg`` says of an image's way into the network.

    Args:
        values: Its content.
        source: Who says so, for messages.

    Returns:
        What it declares; None where it says nothing that can be used.

    Example:
        >>> values = {"input_size": [3, 32, 32], "crop_pct": 0.875, "mean": [0.5], "std": [0.25]}
        >>> declared_by_values(values, source="timm").description
        'size 36, crop 32, bicubic, mean 0.5, std 0.25'
    """
    shape = values.get("input_size")
    mean, std = _numbers(values.get("mean")), _numbers(values.get("std"))
    if not isinstance(shape, list | tuple) or len(shape) != 3 or not all(map(_is_side, shape)):
        return None
    if min(std, default=1) <= 0 or len(mean) != len(std):
        return None
    if shape[1] != shape[2]:
        text = f"{source} makes images of {shape[1]} x {shape[2]}; they stay as they are"
        return DeclaredInput(source=source, mean=mean, std=std, remarks=(text,))
    share = values.get("crop_pct") or 1.0
    size = int(shape[1] / share) if isinstance(share, float) and 0.05 <= share <= 1 else shape[1]
    squashed = values.get("crop_mode") == "squash" and size == shape[1]
    way = values.get("interpolation")
    return DeclaredInput(
        source=source,
        size=size,
        crop=None if squashed else shape[1],
        interpolation=next((known for known in INTERPOLATIONS if known == way), "bicubic"),
        mean=mean,
        std=std,
    )


def _numbers(values: object) -> tuple[float, ...]:
    if not isinstance(values, list | tuple) or len(values) not in (1, 3):
        return ()
    if any(not isinstance(value, int | float) or abs(value) > 1e6 for value in values):
        return ()
    return tuple(float(value) for value in values)


def _is_side(value: object) -> bool:
    return type(value) is int and 0 < value <= _MAX_SIDE
