"""Image classifiers of transformers, built from a folder's plain values and weights."""

import dataclasses
import importlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from exray.errors import CheckpointError
from exray.extras import import_extra
from exray.models.hub.construction import plain_values, skeleton
from exray.text import shown, some

# Those that take pixels alone and return logits of the whole image.
MODEL_TYPES = (
    "beit", "bit", "convnext", "convnextv2", "cvt", "data2vec-vision", "deit", "dinov2",
    "dinov2_with_registers", "efficientnet", "focalnet", "hiera", "levit", "mobilenet_v1",
    "mobilenet_v2", "mobilevit", "mobilevitv2", "poolformer", "pvt", "pvt_v2", "regnet", "resnet",
    "segformer", "swiftformer", "swin", "swinv2", "vit", "vit_msn",
)  # fmt: skip
_FACTORY = "name what builds it with factory"


class _Output(Protocol):
    logits: Tensor


class TransformersClassifier(nn.Module):
    """A network of transformers that returns its logits alone.

    Args:
        network: Takes pixels, and returns an output with logits.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Logits of the images."""
        return cast("_Output", self.network(images)).logits


def transformers_network(
    config: Mapping[str, object], state: Mapping[str, Tensor], path: Path
) -> nn.Module:
    """The network that a ``config.json`` of transformers describes, with its weights.

    The class is one of transformers' own by the name of its type, and only fields that its
    configuration has are passed, as plain values: no path, no code and no name of a repository.

    Args:
        config: What the file says.
        state: The folder's weights, by the names that files of transformers have.
        path: The folder, for messages.

    Raises:
        CheckpointError: If it is no image classifier of transformers, or the weights do not fit.
        ValueError: If transformers is not installed.
    """
    transformers = import_extra(
        "transformers", extra="hub", purpose=f"{path}, a folder of transformers,"
    )
    name = _class_name(config, path)
    network_class = getattr(transformers, name)
    settings = _settings(config, network_class.config_class, path)
    labels = config.get("id2label")
    count = len(labels) if isinstance(labels, dict) else config.get("num_labels")
    if type(count) is int:
        settings["num_labels"] = count

    def build() -> nn.Module:
        described = network_class.config_class(**settings)
        described._attn_implementation = "eager"  # no kernel is fetched, and gradients exist
        network: nn.Module = network_class(described)
        return network

    try:
        described = cast("_Described", skeleton(build, state, path, kind=f"a {name}")).config
    except NotImplementedError:
        raise CheckpointError(path, f"describes a {name} that has no skeleton", _FACTORY) from None
    with _quiet():
        network, report = network_class.from_pretrained(
            None,
            config=described,
            state_dict=dict(state),
            dtype=torch.float32,
            attn_implementation="eager",
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    _check(report, name, path)
    return TransformersClassifier(network).eval().requires_grad_(False)


class _Described(Protocol):
    config: object


def _class_name(config: Mapping[str, object], path: Path) -> str:
    """The name of transformers' own class for the type of network."""
    if config.get("quantization_config"):
        raise CheckpointError(path, "holds quantised weights", "save plain dense weights")
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in MODEL_TYPES:
        raise CheckpointError(
            path,
            f"describes a network of type {shown(repr(kind))}, which is none of the image "
            f"classifiers that are read: {', '.join(MODEL_TYPES)}",
            _FACTORY,
        )
    auto = importlib.import_module("transformers.models.auto.modeling_auto")
    names = auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES[kind]
    names = (names,) if isinstance(names, str) else names
    listed = config.get("architectures") or [names[0]]
    name = listed[0] if isinstance(listed, list) else listed
    if name not in names:
        raise CheckpointError(
            path,
            f"describes {shown(repr(name))}, which is no image classifier; {kind} has "
            f"{', '.join(names)}",
            _FACTORY,
        )
    return str(name)


def _settings(config: Mapping[str, object], kind: type, path: Path) -> dict[str, object]:
    """The plain values of fields that are the type's own, not those of every configuration."""
    base = importlib.import_module("transformers.configuration_utils").PreTrainedConfig
    common = {field.name for field in dataclasses.fields(base)}
    own = {field.name for field in dataclasses.fields(kind)} - common
    own |= set(getattr(kind, "attribute_map", {}))
    chosen = {name: value for name, value in config.items() if name in own}
    return dict(plain_values(chosen, path))


def _check(report: Mapping[str, object], name: str, path: Path) -> None:
    """Refuse weights of other names or shapes than the network's."""
    problems = {
        "missing": sorted(cast("set[str]", report["missing_keys"])),
        "unexpected": sorted(cast("set[str]", report["unexpected_keys"])),
        "of another shape": [
            str(key[0]) for key in sorted(cast("set[tuple[str]]", report["mismatched_keys"]))
        ],
        "not readable": [str(error) for error in cast("list[str]", report["error_msgs"])],
    }
    if any(problems.values()):
        listed = "; ".join(f"{kind}: {some(keys)}" for kind, keys in problems.items() if keys)
        raise CheckpointError(
            path, f"has weights that do not fit its {name}; {listed}", "save the network again"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside, transformers neither logs what exray says itself nor draws a bar on the terminal."""
    logger = logging.getLogger("transformers")
    hub = importlib.import_module("transformers.utils.logging")
    level, bars = logger.level, hub.is_progress_bar_enabled()
    logger.setLevel(logging.ERROR)
    hub.disable_progress_bar()
    try:
        yield
    finally:
        logger.setLevel(level)
        if bars:
            hub.enable_progress_bar()
