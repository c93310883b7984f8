"""Traces a network with torch.fx: its operations in order, and what each of them is."""

import operator
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, fx, nn

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS_AND_ACTIVATIONS = (
    nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LocalResponseNorm,
    nn.ReLU, nn.ReLU6, nn.ELU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Mish, nn.SELU, nn.CELU,
    nn.Sigmoid, nn.Tanh, nn.Hardswish, nn.Hardtanh, nn.PReLU, nn.Softplus,
)  # fmt: skip
# In eval mode they hand on their input itself.
PASSING = (nn.Identity, nn.modules.dropout._DropoutNd)
_CONVOLUTION_CALLS = (F.conv1d, F.conv2d, F.conv3d)
_POINTWISE_CALLS: tuple[Callable[..., object], ...] = (
    F.relu, F.relu6, F.elu, F.leaky_relu, F.gelu, F.silu, F.hardtanh, F.hardswish, F.batch_norm,
    torch.relu, torch.sigmoid, torch.tanh,
)  # fmt: skip
_POINTWISE_METHODS = ("relu", "relu_", "sigmoid", "tanh")
_VIEWS = ("view", "reshape", "flatten", "permute", "transpose", "squeeze", "unsqueeze")
_SIZES = ("size", "dim", "numel")
_IN_PLACE = (operator.iadd, operator.isub, operator.imul, operator.itruediv)


class UntraceableError(ValueError):
    """torch.fx cannot follow a network's outermost ``forward``."""


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

    def create_args_for_root(
        self,
        root_fn: Callable[..., object],
        is_module: bool,
        concrete_args: object = None,
    ) -> tuple[Callable[..., object], list[object]]:
        """Images alone: other arguments keep their defaults instead of becoming inputs."""
        del is_module, concrete_args
        return root_fn, [self.root, self.create_proxy("placeholder", "images", (), {})]

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


class _Shapes(fx.Interpreter):
    """Runs a graph and notes the shape of every tensor."""

    def __init__(self, network: nn.Module, graph: fx.Graph) -> None:
        super().__init__(network, graph=graph)
        self.shapes: dict[fx.Node, tuple[int, ...]] = {}

    def run_node(self, n: fx.Node) -> object:
        result: object = super().run_node(n)
        if isinstance(result, Tensor):
            self.shapes[n] = tuple(result.shape)
        return result


@dataclass(frozen=True)
class Trace:
    """A traced network.

    Args:
        network: What was traced; its modules are referred to, never changed.
        graph: Its operations in order.
        outputs: The last operation of each module, by the module's path.
        shapes: Shape of every operation's result that is a tensor, for the images it was run on.
        name: What messages call the network.
        opaque: Paths of the modules that were left whole because their forward depends on values.
    """

    network: nn.Module
    graph: fx.Graph
    outputs: dict[str, fx.Node]
    shapes: dict[fx.Node, tuple[int, ...]]
    name: str
    opaque: frozenset[str] = frozenset()

    @property
    def nodes(self) -> list[fx.Node]:
        """All operations, in the order of execution."""
        return list(self.graph.nodes)

    @property
    def num_images(self) -> int:
        """Images in the batch that gave the shapes."""
        return next(self.shapes[node][0] for node in self.graph.nodes if node.op == "placeholder")

    def module_of(self, node: fx.Node) -> nn.Module | None:
        """The module an operation calls, if it calls one."""
        if node.op != "call_module":
            return None
        return self.network.get_submodule(str(node.target))


def trace(network: nn.Module, images: Float[Tensor, "n c h w"], *, name: str) -> Trace:
    """Traces a network; a module whose forward depends on values becomes one opaque operation.

    Args:
        network: Any module whose outermost ``forward`` can be traced, in eval mode.
        images: A few, as the network takes them; the network is run on them once.
        name: What messages call it.

    Raises:
        UntraceableError: If the outermost ``forward`` itself cannot be traced.
    """
    opaque: frozenset[str] = frozenset()
    while True:
        tracer = _Tracer(opaque)
        try:
            graph = tracer.trace(network)
        except Exception as error:  # whatever a stranger's forward raises on a proxy
            failed = tracer.inside[-1] if tracer.inside else ""
            if not failed or failed in opaque:
                raise UntraceableError(f"torch.fx cannot trace {name} ({error})") from error
            opaque |= {failed}
        else:
            shapes = _Shapes(network, graph)
            with torch.no_grad():
                shapes.run(images)
            return Trace(network, graph, dict(tracer.outputs), shapes.shapes, name, opaque)


def is_convolution(trace: Trace, node: fx.Node) -> bool:
    """Whether an operation is a convolution."""
    if node.op == "call_function":
        return node.target in _CONVOLUTION_CALLS
    return isinstance(trace.module_of(node), CONVOLUTIONS)


def is_norm_or_activation(trace: Trace, node: fx.Node) -> bool:
    """Whether an operation normalises each channel or acts on each value alone."""
    if node.op == "call_function":
        return node.target in _POINTWISE_CALLS
    if node.op == "call_method":
        return node.target in _POINTWISE_METHODS
    return isinstance(trace.module_of(node), NORMS_AND_ACTIVATIONS)


def is_size(node: fx.Node) -> bool:
    """Whether an operation's result depends on sizes alone: numbers, no features."""
    if node.op == "call_method":
        return node.target in _SIZES
    if node.op != "call_function":
        return False
    if node.target is getattr:
        return node.args[1] in ("shape", "ndim", "dtype", "device")
    plain = getattr(node.target, "__module__", "") == "_operator" or node.target is torch._assert
    return plain and all(is_size(other) for other in node.all_input_nodes)


def readers(trace: Trace, node: fx.Node) -> list[fx.Node]:
    """Operations that read a result, through those that only pass it on."""
    users = []
    for user in node.users:
        passes = user.target is F.dropout or isinstance(trace.module_of(user), PASSING)
        users += readers(trace, user) if passes else [user]
    return users


def is_overwritten(trace: Trace, node: fx.Node) -> bool:
    """Whether a later operation works in place on a result, or on a view of it."""
    for user in readers(trace, node):
        module = trace.module_of(user)
        in_place = user.target in _IN_PLACE or bool(user.kwargs.get("inplace"))
        in_place |= user.target in _POINTWISE_CALLS and user.args[-1] is True
        in_place |= module is not None and bool(vars(module).get("inplace"))
        if user.op == "call_method":
            name = str(user.target)
            in_place |= name.endswith("_") and not name.endswith("__")
            in_place |= name in _VIEWS and is_overwritten(trace, user)
        in_place |= user.target is torch.flatten and is_overwritten(trace, user)
        if in_place:
            return True
    return False
