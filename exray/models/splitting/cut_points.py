"""Where a network can be cut: the rules, and the points at which few tensors are live."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import fx, nn

from exray.errors import LayerNotFoundError
from exray.models.splitting.tracing import (
    CONVOLUTIONS,
    Trace,
    is_convolution,
    is_norm_or_activation,
    is_size,
    readers,
)

LayerChoice = Literal["second_last_conv", "last_conv", "middle"]
RULES: tuple[LayerChoice, ...] = ("second_last_conv", "last_conv", "middle")

_MAX_NAMES = 30  # layers listed in an error


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A point between two operations.

    Args:
        after: The last operation before it.
        live: The tensors still needed there, in the order in which they were made; one, except
            where a network has no point with one.
        start: The convolution or block that the rule counted; a module's path counts itself.
        counted: Its path.
        layer: What the point is called: a module's path, or an operation's name where no module
            ends there.
    """

    after: fx.Node
    live: tuple[fx.Node, ...]
    start: fx.Node
    counted: str
    layer: str


def hides(trace: Trace, layer: str) -> bool:
    """Whether a layer, or much of what a rule counts, lies inside modules left whole.

    Then a network has to be run to be cut: transformers' classifiers look at their arguments, so
    that torch.fx sees a whole encoder as one operation, or blocks that give tuples. One
    convolution alone hides nothing, as it is that which embeds the patches of an image.

    Args:
        trace: The traced network.
        layer: As :func:`find_cut` takes it.
    """
    blocks = repeated_blocks(trace.network)
    modules = trace.network.named_modules()
    counted = [*blocks, *(path for path, inner in modules if isinstance(inner, CONVOLUTIONS))]
    hiding = [
        path
        for path in trace.opaque
        if (path in blocks and trace.outputs.get(path) not in trace.shapes)
        or sum(inner.startswith(f"{path}.") for inner in counted) > 1
    ]
    return bool(hiding) and (
        layer in RULES or f"{layer}.".startswith(tuple(f"{p}." for p in hiding))
    )


def live_tensors(trace: Trace) -> dict[fx.Node, tuple[fx.Node, ...]]:
    """The tensors still needed after each operation, constants and mere sizes left out."""
    nodes = trace.nodes
    place = {node: index for index, node in enumerate(nodes)}
    last_use = {
        node: max((place[user] for user in node.users if not is_size(user)), default=-1)
        for node in nodes
    }
    live_after: dict[fx.Node, tuple[fx.Node, ...]] = {}
    live: tuple[fx.Node, ...] = ()
    for index, node in enumerate(nodes):
        fresh = () if node.op == "get_attr" or is_size(node) else (node,)
        live = tuple(tensor for tensor in (*live, *fresh) if last_use[tensor] > index)
        live_after[node] = live
    return live_after


def _is_features(trace: Trace, node: fx.Node) -> bool:
    """Whether a result has images first, channels, and something to compute after it."""
    shape = trace.shapes.get(node, ())
    ends = any(user.op == "output" for user in readers(trace, node))
    return (
        len(shape) >= 2 and shape[0] == trace.num_images and not ends and node.op != "placeholder"
    )


def single_live_cuts(trace: Trace) -> list[fx.Node]:
    """Operations after which their result is the only tensor still needed.

    There a full exchange of the features exchanges the prediction, which is what the paper's
    existence argument rests on (section 3.1).
    """
    live = live_tensors(trace)
    return [node for node in trace.nodes if live[node] == (node,) and _is_features(trace, node)]


def find_cut(trace: Trace, layer: str) -> Cut:
    """The point at which a layer name or rule cuts the network.

    A rule counts convolutions: ``second_last_conv`` is the paper's layer, ``middle`` the middle
    one. Where fewer than two run once the repeated blocks have begun (transformers, mixers), it
    counts those blocks, or, in a graph that has lost them (ONNX), the sums that end a residual
    branch. From there it goes to the nearest point where one tensor is live and
    neither normalisation nor activation follows. A network without such a point is cut at the
    nearest one whose live tensors differ in their number of channels alone.

    Args:
        trace: The traced network.
        layer: One of ``RULES``, the path of a module, or the name of an operation.

    Raises:
        LayerNotFoundError: If the layer does not exist, several tensors are live after it, or no
            features remain after it.

    Source: EX-RAY, section 4 (second last convolutional layer), Table 11.
    """
    cuts = single_live_cuts(trace)
    if layer not in RULES:
        return _named_cut(trace, layer, cuts)
    start = _counted(trace, layer)
    nodes = trace.nodes
    after = nodes[nodes.index(start) :]
    for node in after:
        if node in cuts and not _is_unfinished(trace, node):
            return _cut(trace, node, (node,), start)
    live = live_tensors(trace)
    for node in after:
        if _fit_together(trace, live[node]) and not _is_unfinished(trace, node):
            return _cut(trace, node, live[node], start)
    name = _path_of(trace, start)
    reason = f"leaves no features: nothing can be cut after {name} in {trace.name}"
    raise LayerNotFoundError(layer, trace.name, cut_names(trace, cuts), reason)


def _counted(trace: Trace, rule: str) -> fx.Node:
    """The end of the convolution or block that a rule picks."""
    nodes = trace.nodes
    convolutions = [node for node in nodes if is_convolution(trace, node)]
    paths = [path for path in repeated_blocks(trace.network) if path in trace.outputs]
    blocks = sorted({trace.outputs[path] for path in paths}, key=nodes.index)
    within = blocks and [
        node for node in convolutions if nodes.index(node) > nodes.index(blocks[0])
    ]
    counted = blocks if len(blocks) > 1 and not within else convolutions
    if len(counted) < 2 <= len(joins := _joins(trace)):
        counted = joins
    if len(counted) < 2:
        reason = f"needs two convolutions or repeated blocks, and {trace.name} has {len(counted)}"
        cuts = cut_names(trace, single_live_cuts(trace))
        raise LayerNotFoundError(rule, trace.name, cuts, reason)
    return counted[place_of(rule, len(counted))]


def _joins(trace: Trace) -> list[fx.Node]:
    """Operations on several results of one shape after which theirs is the only tensor needed."""
    return [node for node in single_live_cuts(trace) if len(_joined(trace, node)) > 1]


def _joined(trace: Trace, node: fx.Node) -> list[fx.Node]:
    """What an operation reads that has its own result's shape, constants left out."""
    shape = trace.shapes[node]
    inputs = (one for one in node.all_input_nodes if one.op != "get_attr")
    return [one for one in inputs if trace.shapes.get(one) == shape]


def place_of(rule: str, count: int) -> int:
    """Which of at least two things in order a rule picks.

    Example:
        >>> [place_of(rule, 5) for rule in RULES]
        [3, 4, 2]
    """
    return {"second_last_conv": count - 2, "last_conv": count - 1, "middle": count // 2}[rule]


def repeated_blocks(network: nn.Module) -> list[str]:
    """Paths of the innermost modules that stand in a row with others of their class."""
    paths: list[str] = []
    for path, module in network.named_modules():
        if isinstance(module, nn.Sequential | nn.ModuleList):
            kinds = [type(child) for child in module]
            paths += [
                f"{path}.{name}".lstrip(".")
                for name, child in module.named_children()
                if kinds.count(type(child)) > 1 and _is_block(child)
            ]
    return [path for path in paths if not any(other.startswith(f"{path}.") for other in paths)]


def _is_block(module: nn.Module) -> bool:
    own = not type(module).__module__.startswith("torch.nn")
    return own or isinstance(module, nn.TransformerEncoderLayer)


def _is_unfinished(trace: Trace, node: fx.Node) -> bool:
    """Whether a normalisation or activation reads the result."""
    return any(is_norm_or_activation(trace, user) for user in readers(trace, node))


def _fit_together(trace: Trace, live: tuple[fx.Node, ...]) -> bool:
    """Whether tensors can be joined along their channels."""
    if not live or not all(_is_features(trace, node) for node in live):
        return False
    return (
        len({trace.shapes[node][2:] for node in live}) == 1
        and len({len(trace.shapes[node]) for node in live}) == 1
    )


def _named_cut(trace: Trace, layer: str, cuts: Sequence[fx.Node]) -> Cut:
    available = cut_names(trace, cuts)
    operations = {node.name: node for node in trace.nodes if node.op != "output"}
    node = trace.outputs.get(layer, operations.get(layer))
    if node is None:
        raise LayerNotFoundError(layer, trace.name, available)
    if node not in trace.shapes:
        raise LayerNotFoundError(layer, trace.name, available, "gives no tensor of features")
    if node not in cuts:
        reason = f"is no place to cut {trace.name}: other tensors are live after it, or no features"
        raise LayerNotFoundError(layer, trace.name, available, reason)
    return _cut(trace, node, (node,), node)


def _cut(trace: Trace, after: fx.Node, live: tuple[fx.Node, ...], start: fx.Node) -> Cut:
    ending_here = [path for path, end in trace.outputs.items() if end is start]
    counted = max(ending_here, key=len, default=start.name)
    return Cut(after=after, live=live, start=start, counted=counted, layer=_path_of(trace, after))


def _path_of(trace: Trace, node: fx.Node) -> str:
    """The outermost module that ends in an operation, or the operation's own name."""
    paths = [path for path, end in trace.outputs.items() if end is node]
    return min(paths, key=len) if paths else node.name


def cut_names(trace: Trace, cuts: Sequence[fx.Node]) -> list[str]:
    """Rules, and modules after which the network can be cut, in the order of execution."""
    nodes = set(cuts)
    return listed([path for path, node in trace.outputs.items() if node in nodes])


def listed(paths: Sequence[str]) -> list[str]:
    """The rules and at most 30 paths, the outermost first to be kept, in their order.

    Example:
        >>> listed(["conv", "layer1.0"])
        ['second_last_conv', 'last_conv', 'middle', 'conv', 'layer1.0']
    """
    outermost = set(sorted(paths, key=lambda path: path.count("."))[:_MAX_NAMES])
    return [*RULES, *(path for path in paths if path in outermost)]
