"""Body and head of a traced network."""

import functools
import operator

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn
from torch.fx.node import Argument

from exray.errors import LayerNotFoundError
from exray.models.splitting.cut_points import Cut, cut_names, single_live_cuts
from exray.models.splitting.tracing import Trace, is_overwritten, is_size


def traced_body(trace: Trace, cut: Cut, axis: int) -> fx.GraphModule:
    """From the images to the features at the cut, channels second.

    Args:
        trace: The traced network.
        cut: Where it is cut. Several live tensors are joined along their channels.
        axis: Of the channels, in the network's own features.
    """
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in trace.nodes:
        copies[node] = graph.node_copy(node, lambda other: copies[other])
        if node is cut.after:
            break
    live = [copies[node] for node in cut.live]
    if axis != 1:
        live = [graph.call_method("movedim", (node, axis, 1)) for node in live]
    joined = live[0] if len(live) == 1 else graph.call_function(torch.cat, (live, 1))
    graph.output(joined)
    return _module(trace.network, graph)


def traced_head(
    trace: Trace, cut: Cut, axis: int, images: Float[Tensor, "n c h w"]
) -> fx.GraphModule:
    """From the features at the cut to the logits; constants are fetched again.

    Sizes that were read before the cut are read off the features where they are the number of
    images, and are constants otherwise.

    Args:
        trace: The traced network.
        cut: Where it is cut.
        axis: Of the channels, in the network's own features.
        images: Those that the network was traced on.

    Raises:
        LayerNotFoundError: If something else than sizes would be needed.
    """
    graph = fx.Graph()
    features = graph.placeholder("features")
    copies = _taken_apart(trace, cut, axis, graph, features)
    sizes = _Sizes(trace, images, graph, features)
    nodes = trace.nodes
    after = nodes.index(cut.after)
    for index, node in enumerate(nodes):
        if index <= after and node.op != "get_attr":
            continue
        missing = [other for other in node.all_input_nodes if other not in copies]
        if missing and is_size(node):
            copies[node] = sizes.rebuilt(node)
            continue
        copies.update({other: sizes.rebuilt(other) for other in missing})
        copies[node] = graph.node_copy(node, lambda other: copies[other])
    return _module(trace.network, graph)


def _taken_apart(
    trace: Trace, cut: Cut, axis: int, graph: fx.Graph, features: fx.Node
) -> dict[fx.Node, Argument]:
    """The live tensors as the network knows them, from the features."""
    whole = features
    if any(is_overwritten(trace, node) for node in cut.live):
        whole = graph.call_method("clone", (features,))
    parts = [whole]
    if len(cut.live) > 1:
        widths = [trace.shapes[node][axis] for node in cut.live]
        split = graph.call_method("split", (whole, widths, 1))
        parts = [graph.call_function(operator.getitem, (split, i)) for i in range(len(widths))]
    if axis != 1:
        parts = [graph.call_method("movedim", (part, 1, axis)) for part in parts]
    return dict(zip(cut.live, parts, strict=True))


class _Recorder(fx.Interpreter):
    """Runs a graph and keeps every size."""

    def __init__(self, network: nn.Module, graph: fx.Graph) -> None:
        super().__init__(network, graph=graph)
        self.sizes: dict[fx.Node, object] = {}

    def run_node(self, n: fx.Node) -> object:
        result: object = super().run_node(n)
        if is_size(n):
            self.sizes[n] = result
        return result


class _Sizes:
    """What sizes were before the cut, at two numbers of images, and what they are in the head."""

    def __init__(
        self, trace: Trace, images: Float[Tensor, "n c h w"], graph: fx.Graph, features: fx.Node
    ) -> None:
        self.trace = trace
        self.batches = (images, torch.cat([images, images[:1]]))
        self.graph = graph
        self.features = features

    @functools.cached_property
    def values(self) -> list[dict[fx.Node, object]]:
        """Every size, for either batch."""
        recorders = [_Recorder(self.trace.network, self.trace.graph) for _ in self.batches]
        with torch.no_grad():
            for recorder, batch in zip(recorders, self.batches, strict=True):
                recorder.run(batch)
        return [recorder.sizes for recorder in recorders]

    def rebuilt(self, node: fx.Node) -> Argument:
        """A size as an argument of the head's operations."""
        if not is_size(node):
            raise self._refusal(node)
        one, other = (sizes[node] for sizes in self.values)
        return self._argument(node, one, other)

    def _argument(self, node: fx.Node, one: object, other: object) -> Argument:
        if isinstance(one, tuple) and isinstance(other, tuple):
            return tuple(self._argument(node, a, b) for a, b in zip(one, other, strict=True))
        if one == other:
            return one  # type: ignore[return-value]
        few, more = (len(batch) for batch in self.batches)
        if not isinstance(one, int) or not isinstance(other, int) or one * more != other * few:
            raise self._refusal(node)
        count = self.graph.call_method("size", (self.features, 0))
        return self.graph.call_function(operator.mul, (count, one // few))

    def _refusal(self, node: fx.Node) -> LayerNotFoundError:
        reason = f"is no place to cut {self.trace.name}: {node.name} is needed after it"
        names = cut_names(self.trace, single_live_cuts(self.trace))
        return LayerNotFoundError(node.name, self.trace.name, names, reason)


def _module(network: nn.Module, graph: fx.Graph) -> fx.GraphModule:
    module = fx.GraphModule(network, graph)
    module.graph.eliminate_dead_code()
    module.recompile()
    return module.eval().requires_grad_(False)
