"""The classifier in a folder as model hubs store one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from exray.errors import CheckpointError
from exray.models.declared_input import DeclaredInput
from exray.models.hub.folder import CONFIG, PREPROCESSOR, HubFolder, label_indices
from exray.models.hub.preprocessor import declared_by
from exray.models.hub.timm_networks import declared_by_values, is_of_timm, timm_network
from exray.models.hub.transformers_networks import transformers_network
from exray.text import shown, some

_MAX_CLASSES = 100_000


@dataclass(frozen=True, kw_only=True)
class HubClassifier:
    """A network with what its folder says about it.

    Args:
        network: In eval mode, with its weights.
        name: The network's class or timm's name.
        class_indices: The index of each class that the folder names.
        declared: How images become its input; None where the folder does not say.
        remarks: What the user should know, one sentence each.
    """

    network: nn.Module
    name: str
    class_indices: Mapping[str, int]
    declared: DeclaredInput | None
    remarks: tuple[str, ...]


def is_hub_folder(path: Path) -> bool:
    """Whether a path is a folder that describes a network.

    Args:
        path: Any path.
    """
    return (path / CONFIG).is_file()


def read_hub_folder(folder: HubFolder) -> HubClassifier:
    """The classifier that a folder describes, of transformers' or timm's own classes.

    Args:
        folder: With ``config.json``, perhaps ``preprocessor_config.json``, and weights.

    Raises:
        CheckpointError: If it names code of its own, leads out of itself, or is no image classifier
            with weights that fit.
        ValueError: If the library is not installed.
    """
    config = folder.config
    check_without_code(folder)
    of_timm = is_of_timm(config)
    build = timm_network if of_timm else transformers_network
    state = folder.state()
    network = build(config, state, folder.path)
    name = str(config["architecture"]) if of_timm else type(network.network).__name__
    declared = declared_input(folder)
    library = "timm" if of_timm else "transformers"
    remark = f"{folder.path.name} is a folder of {library}: its {name} was built from {CONFIG}"
    return HubClassifier(
        network=network,
        name=name,
        class_indices=class_indices(config),
        declared=declared,
        remarks=(remark, *folder.remarks, *_of_input(declared)),
    )


def check_without_code(folder: HubFolder) -> None:
    """Refuse a folder whose network is defined by Python code that it brings.

    Args:
        folder: The folder.

    Raises:
        CheckpointError: If ``config.json`` names code.
    """
    code = folder.config.get("auto_map") or folder.config.get("custom_pipelines")
    if code:
        named = sorted(map(str, code.values())) if isinstance(code, dict) else [str(code)]
        raise CheckpointError(
            folder.path,
            f"names Python code of its own (auto_map: {some(named)}), which exray does not run; "
            "with trust_remote_code it is another network than transformers' own",
            "if you trust the code, name what builds the network with factory=FILE.py:function",
        )


def declared_input(folder: HubFolder) -> DeclaredInput | None:
    """How images become the network's input, as the folder says; None where it does not.

    Args:
        folder: The folder.

    Raises:
        CheckpointError: If ``preprocessor_config.json`` cannot be read.
    """
    values = folder.config.get("pretrained_cfg")
    if is_of_timm(folder.config):
        # Before timm 0.9 its keys stood beside the architecture.
        values = values if isinstance(values, dict) else folder.config
        return declared_by_values(values, source=f"its {CONFIG}")
    if folder.preprocessor:
        return declared_by(folder.preprocessor, folder.path)
    size = folder.config.get("image_size")
    return DeclaredInput(source=CONFIG, size=size) if type(size) is int and size > 0 else None


def class_indices(config: Mapping[str, object]) -> dict[str, int]:
    """The index of each class that ``config.json`` names.

    Args:
        config: What the file says.

    Example:
        >>> class_indices({"id2label": {"0": "cat", "1": "dog"}})
        {'cat': 0, 'dog': 1}
    """
    labels, names = config.get("id2label"), config.get("label_names")
    if isinstance(labels, dict):
        pairs = {
            int(key): value
            for key, value in labels.items()
            if key.isdecimal() and isinstance(value, str) and int(key) < _MAX_CLASSES
        }
        return label_indices(pairs)
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        described = config.get("label_descriptions")
        texts = described if isinstance(described, dict) else {}
        return label_indices({i: str(texts.get(name, name)) for i, name in enumerate(names)})
    return {}


def folder_report(folder: HubFolder) -> dict[str, str | int]:
    """What a folder is made of, for the record and the report; nothing in it is loaded.

    Args:
        folder: Any folder.
    """
    try:
        library = "timm" if is_of_timm(folder.config) else "transformers"
        report: dict[str, str | int] = {"form": f"folder of {library}"}
        for key in ("architecture", "model_type", "architectures"):
            if key in folder.config:
                report[key] = shown(json.dumps(folder.config[key]), 120)
        paths = folder.files()
        report["files"] = some([path.name for path in paths], 10)
        report["bytes"] = sum(path.stat().st_size for path in paths)
    except (CheckpointError, OSError) as error:
        clause = str(error).removeprefix(f"{folder.path} ").partition("; ")[0]
        return {"form": "folder", "file_report_error": shown(clause, 200)}
    return report


def _of_input(declared: DeclaredInput | None) -> tuple[str, ...]:
    if declared is None or declared.source == CONFIG:
        return (f"it has no {PREPROCESSOR}: give mean, std and size if they matter",)
    return declared.remarks
