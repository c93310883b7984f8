"""Traces a network with torch.fx and finds where it can be cut."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import fx, nn

from exray.errors import LayerNotFoundError

Rule = Literal["second_last_conv", "last_conv", "middle"]
RULES: tuple[Rule, ...] = ("second_last_conv", "last_conv", "middle")

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_CONVOLUTION_CALLS = (F.conv1d, F.conv2d, F.conv3d)
_NORMALISATIONS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LocalResponseNorm)
_POINTWISE = (
    nn.ReLU, nn.ReLU6, nn.ELU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Mish, nn.SELU, nn.CELU,
    nn.Sigmoid, nn.Tanh, nn.Hardswish, nn.Hardtanh, nn.PReLU, nn.Softplus,
)  # fmt: skip
_POINTWISE_CALLS: tuple[Callable[..., object], ...] = (
    F.relu, F.relu6, F.elu, F.leaky_relu, F.gelu, F.silu, F.hardtanh, F.hardswish, F.batch_norm,
    torch.relu, torch.sigmoid, torch.tanh,
)  # fmt: skip
_POINTWISE_METHODS = ("relu", "relu_", "sigmoid", "tanh")
_MAX_NAMES = 30  # layers listed in an error


class _Tracer(fx.Tracer):
    """Remembers every module's output and where tracing failed; opaque modules stay whole."""

    def __init__(self, opaque: frozenset[str]) -> None:
        super().__init__()
        self.opaque = opaque
        self.outputs: dict[str, fx.Node] = {}
        self.inside: list[str] = []

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return module_qualified_name in self.opaque or super().is_leaf_module(
            m, module_qualified_name
        )

    def call_module(
        self,
        m: nn.Module,
        forward: Callable[..., object],
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> object:
        path = self.path_of_module(m)
        self.inside.append(path)
        result: object = super().call_module(m, forward, args, kwargs)
        self.inside.pop()
        if isinstance(result, fx.Proxy):
            self.outputs[path] = result.node
        return result


@dataclass(frozen=True)
class Trace:
    """A traced network.

    Args:
        network: What was traced; its modules are referred to, never changed.
        graph: Its operations in order.
        outputs: The last operation of each module, by the module's path.
        name: What messages call the network.
    """

    network: nn.Module
    graph: fx.Graph
    outputs: dict[str, fx.Node]
    name: str

    @property
    def nodes(self) -> list[fx.Node]:
        """All operations, in the order of execution."""
        return list(self.graph.nodes)

    def module_of(self, node: fx.Node) -> nn.Module | None:
        """The module an operation calls, if it calls one."""
        if node.op != "call_module":
            return None
        return self.network.get_submodule(str(node.target))


def trace(network: nn.Module, name: str) -> Trace:
    """Traces a network; a module whose forward depends on values becomes one opaque operation.

    Args:
        network: Any module whose outermost ``forward`` can be traced.
        name: What messages call it.

    Raises:
        LayerNotFoundError: If the outermost ``forward`` itself cannot be traced.
    """
    opaque: frozenset[str] = frozenset()
    while True:
        tracer = _Tracer(opaque)
        try:
            graph = tracer.trace(network)
        except Exception as error:  # whatever a stranger's forward raises on a proxy
            failed = tracer.inside[-1] if tracer.inside else ""
            if not failed or failed in opaque:
                names = [path for path, _ in network.named_modules() if path]
                reason = f"cannot be cut: torch.fx cannot trace {name} ({error})"
                raise LayerNotFoundError("forward", name, names[:_MAX_NAMES], reason) from error
            opaque |= {failed}
        else:
            return Trace(network, graph, dict(tracer.outputs), name)


def is_convolution(trace: Trace, node: fx.Node) -> bool:
    """Whether an operation is a convolution."""
    if node.op == "call_function":
        return node.target in _CONVOLUTION_CALLS
    return isinstance(trace.module_of(node), _CONVOLUTIONS)


def is_norm_or_activation(trace: Trace, node: fx.Node) -> bool:
    """Whether an operation normalises its input or acts on each value alone."""
    if node.op == "call_function":
        return node.target in _POINTWISE_CALLS
    if node.op == "call_method":
        return node.target in _POINTWISE_METHODS
    return isinstance(trace.module_of(node), _NORMALISATIONS + _POINTWISE)


def single_live_cuts(trace: Trace) -> list[fx.Node]:
    """Operations after which their result is the only tensor still needed.

    There a full exchange of the features exchanges the prediction, which is what the paper's
    existence argument rests on (section 3.1).
    """
    nodes = trace.nodes
    place = {node: index for index, node in enumerate(nodes)}
    last_use = {node: max((place[user] for user in node.users), default=-1) for node in nodes}
    cuts: list[fx.Node] = []
    alive: set[fx.Node] = set()
    for index, node in enumerate(nodes):
        alive = {other for other in alive if last_use[other] > index}
        if node.op != "get_attr" and last_use[node] > index:
            alive.add(node)
        ends = any(user.op == "output" for user in node.users)
        shapes = node.op == "call_function" and node.target in (getattr, operator.getitem)
        if alive == {node} and not ends and not shapes and node.op != "placeholder":
            cuts.append(node)
    return cuts


def find_cut(trace: Trace, layer: str) -> fx.Node:
    """The operation at which a layer name or rule cuts the network.

    A rule picks a convolution and goes to the nearest point at or after it where one tensor is
    live and neither normalisation nor activation follows. ``second_last_conv`` is the paper's
    layer, ``middle`` the middle one of all convolutions.

    Args:
        trace: The traced network.
        layer: One of ``RULES``, or the path of a module.

    Raises:
        LayerNotFoundError: If the layer does not exist, several tensors are live after it, or no
            features remain after it.

    Source: EX-RAY, section 4 (second last convolutional layer), Table 11.
    """
    cuts = single_live_cuts(trace)
    if layer not in RULES:
        return _named_cut(trace, layer, cuts)
    nodes = trace.nodes
    convolutions = [node for node in nodes if is_convolution(trace, node)]
    if len(convolutions) < 2:
        reason = f"needs two convolutions, and {trace.name} has {len(convolutions)}"
        raise LayerNotFoundError(layer, trace.name, cut_names(trace, cuts), reason)
    picks = {
        "second_last_conv": convolutions[-2],
        "last_conv": convolutions[-1],
        "middle": convolutions[len(convolutions) // 2],
    }
    start = nodes.index(picks[layer])
    for node in cuts:
        follows = any(is_norm_or_activation(trace, user) for user in node.users)
        if nodes.index(node) >= start and not follows:
            return node
    reason = f"leaves no features: nothing can be cut after {picks[layer].name} in {trace.name}"
    raise LayerNotFoundError(layer, trace.name, cut_names(trace, cuts), reason)


def _named_cut(trace: Trace, layer: str, cuts: Sequence[fx.Node]) -> fx.Node:
    available = cut_names(trace, cuts)
    node = trace.outputs.get(layer)
    if node is None:
        raise LayerNotFoundError(layer, trace.name, available)
    if node not in cuts:
        reason = f"is no place to cut {trace.name}: other tensors are live after it, or no features"
        raise LayerNotFoundError(layer, trace.name, available, reason)
    return node


def cut_names(trace: Trace, cuts: Sequence[fx.Node]) -> list[str]:
    """Paths of the modules after which the network can be cut, in the order of execution."""
    wanted = set(cuts)
    names = [path for path, node in trace.outputs.items() if node in wanted]
    return [*RULES, *names[:_MAX_NAMES]]
