"""Which axis of features holds the channels."""

import torch.nn.functional as F
from torch import fx, nn

from exray.models.splitting.cut_points import Cut
from exray.models.splitting.tracing import CONVOLUTIONS, Trace, is_convolution

_SECOND = (*CONVOLUTIONS, nn.modules.batchnorm._BatchNorm, nn.GroupNorm)


def channel_axis(shape: tuple[int, ...], width: int | None) -> int:
    """The axis of features that holds the channels: 1, or the last one.

    Args:
        shape: Of the features, images first.
        width: Channels that the next layer reads from the last axis, a linear one or a layer
            norm; None where the next layer reads them from the second, as convolutions do.

    Example:
        >>> channel_axis((2, 64, 8, 8), None), channel_axis((2, 64, 8, 8), 64)
        (1, 1)
        >>> channel_axis((2, 17, 192), 192), channel_axis((2, 7, 7, 96), 96)
        (2, 3)
    """
    last = len(shape) - 1
    if last < 2 or width is None:
        return 1
    if shape[1] == width and last != 2:  # pooled before it is read
        return 1
    # Three axes are tokens, whoever reads them.
    return last if shape[-1] == width or last == 2 else 1


def width_of(module: nn.Module) -> int | None:
    """Channels that a module, or the first of its layers to care, reads from the last axis."""
    for layer in module.modules():
        if isinstance(layer, _SECOND):
            return None
        if isinstance(layer, nn.LayerNorm):
            return int(layer.normalized_shape[-1])
        if isinstance(layer, nn.Linear):
            return layer.in_features
        if isinstance(layer, nn.MultiheadAttention):
            return int(layer.embed_dim)
    return None


def cares(module: nn.Module) -> bool:
    """Whether a module holds a layer that determines the axis of its input's channels."""
    known = (*_SECOND, nn.LayerNorm, nn.Linear, nn.MultiheadAttention)
    return any(isinstance(layer, known) for layer in module.modules())


def axis_at(trace: Trace, cut: Cut) -> int:
    """The channels' axis at a cut of a traced network."""
    nodes = trace.nodes
    for node in nodes[nodes.index(cut.after) + 1 :]:
        module = trace.module_of(node)
        if is_convolution(trace, node) or node.target in (F.batch_norm, F.group_norm):
            return 1
        if module is not None and cares(module):
            return min(channel_axis(trace.shapes[node], width_of(module)) for node in cut.live)
        width = _width_of_call(trace, node)
        if width is not None:
            return min(channel_axis(trace.shapes[node], width) for node in cut.live)
    return 1


def _width_of_call(trace: Trace, node: fx.Node) -> int | None:
    """Channels that a layer norm or linear function reads from the last axis."""
    first = next(iter(node.all_input_nodes), None)
    if node.target in (F.layer_norm, F.linear) and first in trace.shapes:
        return trace.shapes[first][-1]
    return None
