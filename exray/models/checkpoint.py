"""Weights out of a stranger's file, without running anything that the file says."""

import hashlib
import pickletools
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from exray.errors import CheckpointError

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network")
_PREFIXES = ("module.", "_orig_mod.")  # of nn.DataParallel and of torch.compile
_SAVE_AGAIN = "save it again with torch.save(network.state_dict(), FILE)"
_COPY_AGAIN = f"copy or download the file again, or {_SAVE_AGAIN}"
_SCANNED_BYTES = 2**26  # of a pickle's program, which has no weights in it
# What plain weights are rebuilt with; torch.load(weights_only=True) decides, this only explains.
_HARMLESS = re.compile(
    r"collections\.OrderedDict|torch\._utils\._rebuild_\w+|torch\._tensor\._rebuild_\w+"
    r"|torch(\.\w+)*\.\w+Storage|torch\.(Size|device|dtype|Tensor|(b?float|u?int|complex)\d+|bool)"
    r"|torch\.nn\.parameter\.\w+|torch\.serialization\._get_layout|builtins\.set|_codecs\.encode"
)


def read_state(path: Path) -> dict[str, Tensor]:
    """The weights in a checkpoint, by name, on the CPU.

    The file's content decides how it is read: safetensors, or what ``torch.save`` wrote, zipped or
    in the older form. Nothing in it is executed: a pickle is loaded with ``weights_only``. A state
    dict inside ``state_dict``, ``model_state_dict``, ``model``, ``net`` or ``network`` is taken
    out, the prefixes ``module.`` and ``_orig_mod.`` that all names share are taken off, and
    numbers of fewer than 32 bits become float32, so that the network runs on a CPU.

    Args:
        path: A ``.pt``, ``.pth`` or ``.safetensors`` file.

    Raises:
        CheckpointError: If the file is missing, a folder, empty, truncated or no checkpoint, would
            need code to be loaded, holds no state dict, or has weights that are not finite.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "m.pt"
        >>> torch.save({"state_dict": {"module.bias": torch.ones(2)}}, path)
        >>> read_state(path)
        {'bias': tensor([1., 1.])}
    """
    head = _head(path)
    if head.startswith(b"PK"):
        _check_archive(path)
        content = _load_pickled(path)
    elif head.startswith(b"\x80"):
        content = _load_pickled(path)
    elif path.suffix == ".safetensors" or head[8:9] == b"{":
        content = _load_safetensors(path)
    else:
        raise CheckpointError(
            path,
            f"is not a checkpoint: it starts with {head[:8]!r}",
            "give a .pt or .pth file that torch.save wrote, or a .safetensors file",
        )
    return _checked(_without_prefixes(_unwrapped(content, path)), path)


def load_state(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Put weights into a network, each of them, or refuse and leave the network as it was.

    ``num_batches_tracked`` may be missing or left over, since nothing is computed from it in eval
    mode, a single number may have shape ``()`` or ``(1,)``, and ``module.`` and ``_orig_mod.``
    prefixes may be on either side.

    Args:
        network: Filled in place.
        state: As :func:`read_state` gives it.
        path: The file they came from, for messages.

    Raises:
        CheckpointError: If names or shapes differ, with the first three of each kind.
    """
    own: dict[str, Tensor] = network.state_dict()
    prefix = _shared_prefix(list(own))
    given = {prefix + key: value for key, value in _without_prefixes(state).items()}
    problems = _mismatches(own, given)
    if any(problems.values()):
        said = "; ".join(f"{kind}: {_some(keys)}" for kind, keys in problems.items() if keys)
        raise CheckpointError(
            path,
            f"does not fit the network; {said}",
            "name the network that it was saved from with dataset.architecture or dataset.factory",
        )
    fitting = {key: given[key].reshape(own[key].shape) for key in own if key in given}
    network.load_state_dict({**own, **fitting})


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal.

    Args:
        path: A readable file.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "empty"
        >>> path.touch()
        >>> file_sha256(path)[:8]
        'e3b0c442'
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _head(path: Path) -> bytes:
    """The first bytes of a file, once it is known to be one."""
    if path.is_dir():
        raise CheckpointError(path, "is a folder, not a file", "name the checkpoint inside it")
    if not path.exists():
        raise CheckpointError(path, "does not exist", "name the checkpoint with dataset.model=FILE")
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise CheckpointError(
            path, f"cannot be read ({error.strerror})", "make it readable"
        ) from error
    if not head:
        raise CheckpointError(path, "is empty", _COPY_AGAIN)
    return head


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            path, f"is a truncated or damaged safetensors file ({error})", _COPY_AGAIN
        ) from error
    return tensors


def _check_archive(path: Path) -> None:
    """Refuse a zip file that is truncated, no checkpoint, or a TorchScript archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.partition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CheckpointError(path, f"is a truncated zip file ({error})", _COPY_AGAIN) from error
    if "data.pkl" not in names:
        raise CheckpointError(
            path,
            "is a zip file, but no checkpoint: it has no data.pkl",
            "give a .pt or .pth file that torch.save wrote, or a .safetensors file",
        )
    if "constants.pkl" in names:
        raise CheckpointError(path, "is a TorchScript archive, which is a program", _SAVE_AGAIN)


def _load_pickled(path: Path) -> object:
    """What ``torch.save`` wrote, where that is plain weights."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content: object = torch.load(path, map_location="cpu", weights_only=True)
    # Damaged pickles raise anything. torch's message advises to run the file: it is not passed on.
    except Exception as error:
        raise _refusal(path, error) from None
    return content


def _refusal(path: Path, error: Exception) -> CheckpointError:
    """Why a pickle could not be loaded: the code it asks for, or the damage."""
    names = [name for name in _pickled_globals(path) if not _HARMLESS.fullmatch(name)]
    layers = [name for name in names if name.startswith("torch.nn.modules.")]
    listed = _some([name for name in names if name not in layers] + layers, shown=6)
    if layers:
        return CheckpointError(
            path,
            f"holds a whole network, whose classes are code ({listed}), and is not opened",
            "save the state dict alone: torch.save(network.state_dict(), FILE)",
        )
    if names:
        return CheckpointError(
            path,
            f"would run code when loaded ({listed}), and is not opened",
            "if you trust its source, save the state dict alone there: "
            "torch.save(network.state_dict(), FILE)",
        )
    reason = str(error).partition("WeightsUnpickler error:")[2] or str(error)
    advice = "weights only load failed" in reason.lower()
    said = "" if advice or not reason.strip() else ": " + reason.strip().splitlines()[0]
    return CheckpointError(
        path, f"is truncated, damaged or no checkpoint ({type(error).__name__}{said})", _COPY_AGAIN
    )


def _pickled_globals(path: Path) -> list[str]:
    """The functions and classes that a checkpoint's pickles name, found without running them."""
    found: dict[str, None] = {}
    try:
        stream = BytesIO(_pickled_program(path))
        for _ in range(5):  # the older form is five pickles, then the weights
            for name in _globals_of_one(stream):
                found[name] = None
    except Exception:  # the end of the pickles, or damage: what was found so far is told
        return list(found)
    return list(found)


def _pickled_program(path: Path) -> bytes:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            return file.read(_SCANNED_BYTES)
    with zipfile.ZipFile(path) as archive:
        inside = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        with archive.open(inside[0]) as member:
            return member.read(_SCANNED_BYTES)


def _globals_of_one(stream: BytesIO) -> Iterator[str]:
    """The names in one pickle; a name put together from memorised strings is followed."""
    strings: list[str] = []
    memo: dict[int, str] = {}
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name in ("GLOBAL", "INST"):
            yield str(argument).replace(" ", ".").replace("__builtin__", "builtins")
        elif opcode.name == "STACK_GLOBAL" and len(strings) > 1:
            yield f"{strings[-2]}.{strings[-1]}"
        elif isinstance(argument, str):
            strings.append(argument)
        elif opcode.name == "MEMOIZE":
            memo[len(memo)] = strings[-1] if strings else ""
        elif isinstance(argument, int) and opcode.name.endswith("PUT"):
            memo[argument] = strings[-1] if strings else ""
        elif isinstance(argument, int) and opcode.name.endswith("GET"):
            strings.append(memo.get(argument, ""))


def _unwrapped(content: object, path: Path) -> dict[str, Tensor]:
    """The state dict inside what was saved."""
    for _ in range(3):
        if not isinstance(content, Mapping):
            raise CheckpointError(
                path, f"holds a {type(content).__name__}, not a state dict", _SAVE_AGAIN
            )
        inner = (content.get(key) for key in _WRAPPERS)
        content = next((value for value in inner if isinstance(value, Mapping)), content)
    assert isinstance(content, Mapping), type(content)
    if not any(isinstance(value, Tensor) for value in content.values()):
        raise CheckpointError(
            path,
            f"holds no tensors under its keys: {_some([str(key) for key in content]) or 'none'}",
            f"put the state dict at the top or under {', '.join(_WRAPPERS)}, or {_SAVE_AGAIN}",
        )
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise CheckpointError(
                path,
                f"holds more than weights: {key!r} is a {type(value).__name__}",
                _SAVE_AGAIN,
            )
    return dict(content)


def _checked(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Dense, finite weights of at least 32 bits."""
    checked = {}
    for key, value in state.items():
        if value.layout is not torch.strided or value.is_quantized or value.is_meta:
            raise CheckpointError(
                path,
                f"holds {key!r} as a sparse, quantised or empty tensor",
                "save plain dense weights",
            )
        small = value.is_floating_point() and value.element_size() < 4
        checked[key] = value.float() if small else value.detach()
        if not checked[key].isfinite().all():
            count = int((~checked[key].isfinite()).sum())
            raise CheckpointError(
                path,
                f"has weights that are not finite: {count} of {value.numel()} in {key!r}",
                "train or export the network again",
            )
    return checked


def _shared_prefix(keys: list[str]) -> str:
    """The wrappers' prefix that all names have, such as ``module._orig_mod.``."""
    prefix = ""
    while keys:
        found = [p for p in _PREFIXES if all(key.startswith(prefix + p) for key in keys)]
        if not found:
            break
        prefix += found[0]
    return prefix


def _without_prefixes(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = _shared_prefix(list(state))
    return {key.removeprefix(prefix): value for key, value in state.items()}


def _mismatches(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """The names at which a file's weights do not fit the network's, by kind of trouble."""
    pairs = {key: (given[key], own[key]) for key in own if key in given}
    return {
        "missing": [key for key in own if key not in given and not _is_batch_count(key)],
        "unexpected": [key for key in given if key not in own and not _is_batch_count(key)],
        "of another shape": [
            f"{key} ({_shape(value)} in the file, {_shape(place)} in the network)"
            for key, (value, place) in pairs.items()
            if value.shape != place.shape and not value.numel() == place.numel() == 1
        ],
        "still quantised": [
            f"{key} ({value.dtype})"
            for key, (value, place) in pairs.items()
            if value.dtype in (torch.int8, torch.uint8) and place.is_floating_point()
        ],
    }


def _is_batch_count(key: str) -> bool:
    return key.rpartition(".")[2] == "num_batches_tracked"


def _shape(tensor: Tensor) -> str:
    return " x ".join(str(side) for side in tensor.shape) or "one number"


def _some(names: list[str], shown: int = 3) -> str:
    """The first few of the names, and how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
