"""A network that came whole out of a pickle: checked, and mended where its classes moved on."""

import copy
from collections import OrderedDict
from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from exray.models.checkpoints.pickles.contents import StoredObject, StoredTensor
from exray.models.checkpoints.pickles.layer_allowlist import is_layer, layer_classes
from exray.models.checkpoints.pickles.storages import FileStorages
from exray.text import shown

_MAX_MODULES = 20_000
_BOUNDS = {  # whatever is larger serves to exhaust memory; the 23 networks stay under 64
    "kernel_size": 512, "stride": 512, "dilation": 512, "padding": 64, "output_padding": 64,
    "output_size": 64, "_reversed_padding_repeated_twice": 64,
}  # fmt: skip
# Modules that hold a network and compute what it computes, by the name that they hold it under.
_WRAPPERS = {
    "torch.nn.parallel.data_parallel.DataParallel": "module",
    "torch.nn.parallel.distributed.DistributedDataParallel": "module",
    "torch.optim.swa_utils.AveragedModel": "module",
    "torch._dynamo.eval_frame.OptimizedModule": "_orig_mod",
    "timm.utils.model_ema.ModelEma": "ema",
    "timm.utils.model_ema.ModelEmaV2": "module",
    "timm.utils.model_ema.ModelEmaV3": "module",
}
# What later versions of torchvision read in forward, and earlier ones did not store.
_LATER: dict[str, dict[str, nn.Module | None]] = {
    "Inception3": {
        "AuxLogits": None,
        "maxpool1": nn.MaxPool2d(3, stride=2),
        "maxpool2": nn.MaxPool2d(3, stride=2),
        "avgpool": nn.AdaptiveAvgPool2d((1, 1)),
        "dropout": nn.Dropout(),
    },
    "GoogLeNet": {"aux1": None, "aux2": None},
}
# What later versions of torch read of their layers, and earlier ones did not store.
_ATTRIBUTES: dict[str, dict[str, object]] = {
    "AvgPool2d": {"ceil_mode": False, "count_include_pad": True, "divisor_override": None},
    "BatchNorm1d": {"track_running_stats": True},
    "BatchNorm2d": {"track_running_stats": True},
    "Conv2d": {"padding_mode": "zeros", "_reversed_padding_repeated_twice": [0, 0, 0, 0]},
    "Flatten": {"start_dim": 1, "end_dim": -1},
    "GELU": {"approximate": "none"},
    "Hardsigmoid": {"inplace": False},
    "Hardswish": {"inplace": False},
    "MaxPool2d": {"ceil_mode": False, "dilation": 1, "return_indices": False},
    "SiLU": {"inplace": False},
}


class UnusualNetworkError(ValueError):
    """A network that its own constructor would not have made; the text is a clause."""


def unwrapped_network(network: StoredObject) -> StoredObject:
    """The network inside ``DataParallel``, an average or a compiled one, else the network itself.

    Args:
        network: An object that a file describes.

    Example:
        >>> inner = StoredObject(path="a.Net", parts={"_modules": {}, "_parameters": {}})
        >>> parts = {"_modules": {"module": inner}, "_parameters": {}}
        >>> path = "torch.nn.parallel.data_parallel.DataParallel"
        >>> unwrapped_network(StoredObject(path=path, parts=parts)).path
        'a.Net'
    """
    for _ in range(len(_WRAPPERS)):
        children = network.parts.get("_modules")
        name = _WRAPPERS.get(network.path)
        inner = children.get(name) if isinstance(children, Mapping) else None
        if not isinstance(inner, StoredObject):
            break
        network = inner
    return network


def unknown_classes(network: StoredObject) -> tuple[str, ...]:
    """The classes of a network's parts that are not on the list of layers, each once.

    Args:
        network: As :func:`unwrapped_network` gave it.
    """
    found: dict[str, None] = {}
    waiting, seen = [network], set()
    while waiting:
        module = waiting.pop()
        if id(module) in seen:
            continue
        seen.add(id(module))
        if not is_layer(module.path):
            found[module.path] = None
        children = module.parts.get("_modules")
        values = children.values() if isinstance(children, Mapping) else ()
        waiting.extend(child for child in values if isinstance(child, StoredObject))
    return tuple(found)


def rebuilt(network: StoredObject, storages: FileStorages) -> nn.Module:
    """A network of known layers, each made empty and given its attributes.

    Args:
        network: All of its classes are on the list.
        storages: Where its numbers are.

    Raises:
        MissingTorchvisionError: If a class of torchvision cannot be imported.
        UnusualNetworkError: If an attribute is an instance of another class.
    """
    return _Builder(storages).module(network)


class _Builder:
    """Makes the modules of one network, each once."""

    def __init__(self, storages: FileStorages) -> None:
        self.storages = storages
        self.made: dict[int, object] = {}
        self.parameters: dict[int, nn.Parameter] = {}  # by the tensor's id; tied ones are one

    def module(self, stored: StoredObject) -> nn.Module:
        if id(stored) not in self.made:
            kind = layer_classes([stored.path])[stored.path]
            module = kind.__new__(kind)
            self.made[id(stored)] = module  # before its attributes, which may hold it
            state = {str(name): self.value(value) for name, value in stored.parts.items()}
            parameters = state.get("_parameters")
            if isinstance(parameters, dict):
                state["_parameters"] = {
                    name: self._parameter(value) for name, value in parameters.items()
                }
            module.__setstate__(state)  # type: ignore[no-untyped-call]
        made = self.made[id(stored)]
        assert isinstance(made, nn.Module), made
        return made

    def value(self, item: object) -> object:
        if isinstance(item, StoredTensor):
            if id(item) not in self.made:
                if item.problem:
                    raise UnusualNetworkError(f"holds a {item.problem} tensor")
                self.made[id(item)] = item.read(self.storages)
            return self.made[id(item)]
        if isinstance(item, OrderedDict | dict):
            return type(item)((name, self.value(value)) for name, value in item.items())
        if isinstance(item, list | tuple):
            return type(item)(self.value(value) for value in item)
        if isinstance(item, StoredObject):
            if not is_layer(item.path):
                raise UnusualNetworkError(f"holds an instance of {shown(item.path)}")
            return self.module(item)
        return item

    def _parameter(self, value: object) -> object:
        if not isinstance(value, Tensor) or isinstance(value, nn.Parameter):
            return value
        if id(value) not in self.parameters:
            self.parameters[id(value)] = nn.Parameter(value, requires_grad=False)
        return self.parameters[id(value)]


def check_network(network: nn.Module) -> None:
    """Refuse a network whose parts could not come out of their constructors.

    Its classes are known ones, but every attribute in them is the file's. Hooks, replaced methods,
    parts of the wrong kind, a network inside itself and sizes that would exhaust memory are
    refused; what remains can only compute.

    Args:
        network: Made of layers on the list, from a file.

    Raises:
        UnusualNetworkError: If it is none.

    Example:
        >>> network = nn.Sequential(nn.AdaptiveAvgPool2d(100_000))
        >>> try:
        ...     check_network(network)
        ... except UnusualNetworkError as error:
        ...     print(error)
        has output_size=100000 in AdaptiveAvgPool2d
    """
    for module in _parts(network):
        state, kind = vars(module), type(module).__name__
        for name, value in state.items():
            if name.endswith("_hooks") and value:
                raise UnusualNetworkError(f"has functions hooked into a {kind}")
            if callable(vars(nn.Module).get(name)) or callable(vars(type(module)).get(name)):
                raise UnusualNetworkError(f"replaces {name} of a {kind}")
        for group, value_class in (("_parameters", nn.Parameter), ("_buffers", Tensor)):
            values = _group(state, group, kind).values()
            if not all(value is None or isinstance(value, value_class) for value in values):
                raise UnusualNetworkError(f"holds no tensor among the {group[1:]} of a {kind}")
        for name, bound in _BOUNDS.items():
            if name in state and not _is_within(state[name], bound):
                raise UnusualNetworkError(f"has {name}={str(state[name])[:40]} in {kind}")


def _parts(network: nn.Module) -> Iterator[nn.Module]:
    """Every module once; those with children may have one parent only."""
    waiting, seen, count = [network], {id(network)}, 0
    while waiting:
        module = waiting.pop()
        count += 1
        if count > _MAX_MODULES:
            raise UnusualNetworkError(f"has more than {_MAX_MODULES} layers")
        yield module
        children = _group(vars(module), "_modules", type(module).__name__)
        for name, child in children.items():
            if child is None:
                continue
            if not isinstance(child, nn.Module) or not isinstance(name, str):
                raise UnusualNetworkError(f"holds no layer under {name!r:.40}")
            if id(child) in seen and vars(child).get("_modules"):
                raise UnusualNetworkError(f"holds the same part twice, as {name!r:.40}")
            seen.add(id(child))
            waiting.append(child)


def _group(state: dict[str, object], group: str, kind: str) -> dict[object, object]:
    values = state.get(group)
    if not isinstance(values, dict):
        raise UnusualNetworkError(f"holds a {kind} without its {group[1:]}")
    return values


def _is_within(value: object, bound: int) -> bool:
    if isinstance(value, tuple | list):
        return len(value) <= 8 and all(_is_within(side, bound) for side in value)
    return value is None or isinstance(value, str) or (isinstance(value, int) and value <= bound)


def mend(network: nn.Module) -> tuple[str, ...]:
    """Add what a network of an earlier torch or torchvision lacks and today's classes read.

    Args:
        network: Changed in place; whatever it already has is kept.

    Returns:
        What was added, each as ``CLASS.ATTRIBUTE``.

    Source: facts, dependencies 4: Inception3 of torchvision 0.6 and before.

    Example:
        >>> mend(nn.Linear(2, 3))
        ()
    """
    added = []
    for module in network.modules():
        kind = type(module).__name__
        for name, part in _LATER.get(kind, {}).items():
            if name in vars(module)["_modules"] or name in vars(module):
                continue
            setattr(module, name, copy.deepcopy(part))
            added.append(f"{kind}.{name}")
        for name, value in _ATTRIBUTES.get(kind, {}).items():
            if name not in vars(module):
                setattr(module, name, copy.copy(value))
                added.append(f"{kind}.{name}")
        if kind.startswith("BatchNorm") and "num_batches_tracked" not in module._buffers:
            module.register_buffer("num_batches_tracked", None)
    return tuple(dict.fromkeys(added))
