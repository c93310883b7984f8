"""A folder as model hubs store one: JSON that describes a network, and files of its weights."""

import json
import stat
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from torch import Tensor

from exray.errors import CheckpointError
from exray.models.checkpoints.model_file import COPY_AGAIN
from exray.models.checkpoints.reader import read_checkpoint
from exray.text import shown, some

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
# In the order in which transformers and timm look for them.
WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_INDEX = ".index.json"
_MAX_JSON = 2**24  # bytes; ImageNet-21k's names take one million
_MAX_SHARDS = 1000
_OTHER_FRAMEWORKS = {
    "tf_model.h5": "TensorFlow's",
    "flax_model.msgpack": "Flax'",
    "saved_model.pb": "TensorFlow's",
    "adapter_model.safetensors": "an adapter's",
    "adapter_model.bin": "an adapter's",
}
_WAY_OUT = "save it with save_pretrained of transformers' or timm's own classes"


class HubFolder:
    """A folder with ``config.json`` and weights beside it, of which nothing is executed.

    Only files of the folder itself are opened. A link may lead to another file of the folder, or,
    in the hub's cache, to a blob of the same repository.

    Args:
        path: The folder; it is not read yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def config(self) -> Mapping[str, object]:
        """What ``config.json`` says.

        Raises:
            CheckpointError: If there is none, it leads out of the folder, or it is no JSON object.
        """
        if not (self.path / CONFIG).exists():
            files = sorted(p.name for p in self.path.iterdir() if p.is_file())
            raise CheckpointError(
                self.path,
                f"is a folder without {CONFIG}; it holds {some(files) or 'no file'}",
                "name the checkpoint inside it, or a folder as model hubs store it",
            )
        return self._read_json(CONFIG)

    @cached_property
    def preprocessor(self) -> Mapping[str, object]:
        """What ``preprocessor_config.json`` says; empty where there is none.

        Raises:
            CheckpointError: As :attr:`config`.
        """
        return self._read_json(PREPROCESSOR) if (self.path / PREPROCESSOR).exists() else {}

    @cached_property
    def shards(self) -> Mapping[Path, frozenset[str] | None]:
        """The files of the weights, each with the names that an index says it holds, if any does.

        Raises:
            CheckpointError: If there are none, or one of them is not a file of this folder.
        """
        present = [name for name in WEIGHTS if (self.path / name).exists()]
        if not present:
            raise CheckpointError(self.path, self._without_weights(), _WAY_OUT)
        first = present[0]
        if not first.endswith(_INDEX):
            return {self.file(first): None}
        return {
            self.file(name): frozenset(names) for name, names in self._names_by_shard(first).items()
        }

    @cached_property
    def remarks(self) -> tuple[str, ...]:
        """What the user should know about the files, one sentence each."""
        others = [name for name in WEIGHTS if (self.path / name).exists()][1:]
        taken = some([path.name for path in self.shards])
        text = f"the weights are those of {taken}; {some(others)} beside it was not looked at"
        return (text,) if others else ()

    def state(self) -> dict[str, Tensor]:
        """The weights by name, of every shard.

        Raises:
            CheckpointError: If a file cannot be read as weights, or an index says other names than
                its files hold.
        """
        state: dict[str, Tensor] = {}
        for path, names in self.shards.items():
            held = read_checkpoint(path).state
            if names is not None and names != set(held):
                differing = sorted(names ^ set(held))
                raise CheckpointError(
                    self.path,
                    f"has an index that is not true: {path.name} holds other tensors than it says "
                    f"({some(differing)})",
                    COPY_AGAIN,
                )
            state |= held
        return state

    def files(self) -> tuple[Path, ...]:
        """All files of the folder that are read.

        Raises:
            CheckpointError: As :attr:`shards`.
        """
        names = [name for name in (CONFIG, PREPROCESSOR) if (self.path / name).exists()]
        return (*(self.file(name) for name in names), *self.shards)

    def file(self, name: str) -> Path:
        """A file of the folder by its name.

        Args:
            name: As the folder's own JSON gives it.

        Raises:
            CheckpointError: If it is a path, leads out of the folder, or is no ordinary file.
        """
        if name in ("", ".", "..") or any(mark in name for mark in "/\\\0"):
            raise self._refusal(f"names {shown(repr(name))}, which is no file of the folder")
        path = self.path / name
        if not path.exists():
            raise self._refusal(f"lacks {shown(name)}", COPY_AGAIN)
        target, folder = path.resolve(), self.path.resolve()
        if not (target.is_relative_to(folder) or target.parent == _blobs(folder)):
            raise self._refusal(f"has {shown(name)} as a link that leads out of the folder")
        if not stat.S_ISREG(target.stat().st_mode):
            raise self._refusal(f"has {shown(name)}, which is no ordinary file")
        return path

    def _names_by_shard(self, index: str) -> dict[str, list[str]]:
        """The names that an index gives each file."""
        places = self._read_json(index).get("weight_map")
        if not isinstance(places, dict) or not places:
            raise self._refusal(f"has {index} without a weight_map", COPY_AGAIN)
        shards: dict[str, list[str]] = {}
        for name, shard in places.items():
            if not isinstance(shard, str):
                raise self._refusal(f"has {index} with a shard that is no text", COPY_AGAIN)
            shards.setdefault(shard, []).append(name)
        if len(shards) > _MAX_SHARDS:
            raise self._refusal(f"has {index} that names {len(shards)} files")
        return shards

    def _read_json(self, name: str) -> Mapping[str, object]:
        path = self.file(name)
        size = path.stat().st_size
        if size > _MAX_JSON:
            raise self._refusal(f"has {name} of {size} bytes; at most {_MAX_JSON} are read")
        try:
            content: object = json.loads(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            reason = shown(" ".join(str(error).split()), 120)
            raise self._refusal(f"has {name} that is no JSON ({reason})", COPY_AGAIN) from error
        if not isinstance(content, dict):
            raise self._refusal(f"has {name} that is no JSON object", COPY_AGAIN)
        return content

    def _without_weights(self) -> str:
        held = {
            name: whose for name, whose in _OTHER_FRAMEWORKS.items() if (self.path / name).exists()
        }
        name = next(iter(held), "")
        of_others = f"; {name} holds {held[name]}" if held else ""
        return f"has none of {', '.join(WEIGHTS)}{of_others}"

    def _refusal(self, problem: str, way_out: str = "do not trust its source") -> CheckpointError:
        return CheckpointError(self.path, problem, way_out)


def _blobs(folder: Path) -> Path | None:
    """Where the hub's cache keeps the files that a snapshot links to; None for other folders."""
    snapshots = folder.parent
    return snapshots.parent / "blobs" if snapshots.name == "snapshots" else None


def label_indices(names: Mapping[int, str]) -> dict[str, int]:
    """The index of each class by a name of its own; empty where the names say nothing.

    ``LABEL_0`` and the like, which transformers gives classes without names, say nothing. Of
    classes that share a name, each gets its index in brackets, as in ``crane (134)``.

    Args:
        names: By index.

    Example:
        >>> label_indices({0: "tench", 1: "crane", 2: "crane"})
        {'tench': 0, 'crane (1)': 1, 'crane (2)': 2}
        >>> label_indices({0: "LABEL_0", 1: "LABEL_1"})
        {}
    """
    if all(name == f"LABEL_{index}" for index, name in names.items()):
        return {}
    counts = Counter(names.values())
    return {
        name if counts[name] == 1 else f"{name} ({index})": index for index, name in names.items()
    }
