"""Moves what exchanging channels commutes with from a head into the features."""

from collections.abc import Callable
from typing import NamedTuple

import torch.nn.functional as F
from torch import fx, nn

_POOLS_AND_PASSES = (
    nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Identity, nn.modules.dropout._DropoutNd,
    nn.modules.batchnorm._BatchNorm,
)  # fmt: skip
_CALLS: tuple[Callable[..., object], ...] = (F.avg_pool2d, F.adaptive_avg_pool2d)


class SplitHead(NamedTuple):
    """A head in two parts: ``rest(prefix(features))`` is the head."""

    prefix: nn.Module
    rest: nn.Module


def hoisted(head: nn.Module) -> SplitHead:
    """The head's first operations, as far as they act on each channel alone and are affine.

    Exchanging a share of a channel commutes with them: averaging, in eval mode batch norms and
    dropout, depthwise convolutions. So they can be computed once for every sample instead of in
    every step. Where a head begins with global pooling, the features shrink to one number a
    channel and the head becomes a matrix product.

    Args:
        head: Frozen, in eval mode. One that was not traced by torch.fx is left whole.

    Example:
        >>> import torch
        >>> head = fx.symbolic_trace(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
        >>> hoisted(head.eval()).prefix(torch.ones(1, 3, 4, 4)).shape
        torch.Size([1, 3, 1, 1])
    """
    if not isinstance(head, fx.GraphModule):
        return SplitHead(nn.Identity(), head)
    last = _last_affine(head)
    if last is None:
        return SplitHead(nn.Identity(), head)
    prefix, rest = fx.Graph(), fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    nodes = list(head.graph.nodes)
    at = nodes.index(last)
    for node in nodes[: at + 1]:
        copies[node] = prefix.node_copy(node, lambda other: copies[other])
    prefix.output(copies[last])
    copies = {last: rest.placeholder("features")}
    for index, node in enumerate(nodes):
        if index > at or node.op == "get_attr":
            copies[node] = rest.node_copy(node, lambda other: copies[other])
    return SplitHead(*(_module(head, graph) for graph in (prefix, rest)))


def _last_affine(head: fx.GraphModule) -> fx.Node | None:
    """The last of the channelwise affine operations at the head's start; None without any."""
    node = next(first for first in head.graph.nodes if first.op == "placeholder")
    last = None
    while len(node.users) == 1:
        (node,) = node.users
        if node.op == "output" or not _is_affine(head, node):
            break
        last = node
    return last


def _is_affine(head: fx.GraphModule, node: fx.Node) -> bool:
    """Whether an operation maps each channel affinely by itself, and reads nothing else."""
    if len(node.all_input_nodes) != 1:
        return False
    if node.op == "call_function":
        return node.target in _CALLS
    if node.op != "call_module":
        return False
    module = head.get_submodule(str(node.target))
    if isinstance(module, nn.Conv2d):
        return module.groups == module.in_channels == module.out_channels
    return isinstance(module, _POOLS_AND_PASSES) and not module.training


def _module(head: fx.GraphModule, graph: fx.Graph) -> fx.GraphModule:
    module = fx.GraphModule(head, graph)
    module.graph.eliminate_dead_code()
    module.recompile()
    return module.eval()
