"""Batch norms folded into the convolutions before them."""

import copy
from collections import Counter

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norms(module: fx.GraphModule) -> fx.GraphModule:
    """A copy in which convolutions have taken over the batch norms that alone read them.

    In eval mode a batch norm is a scale and a shift per channel, which the convolution before it
    can apply itself. ``torch.fx.experimental.optimization.fuse`` does the same, but its import
    warns, and it goes wrong on a convolution that is called twice; such a one is left alone here.

    Args:
        module: In eval mode; left as it is.
    """
    folded = copy.deepcopy(module)
    calls = Counter(str(node.target) for node in folded.graph.nodes if node.op == "call_module")
    for node in list(folded.graph.nodes):
        before = node.args[0] if node.args else None
        if not isinstance(before, fx.Node) or {node.op, before.op} != {"call_module"}:
            continue
        path = str(before.target)
        fused = _fused(folded.get_submodule(path), folded.get_submodule(str(node.target)))
        if fused is None or len(before.users) > 1 or calls[path] > 1:
            continue
        folded.set_submodule(path, fused)
        node.replace_all_uses_with(before)
        folded.graph.erase_node(node)
    folded.delete_all_unused_submodules()
    folded.recompile()
    return folded


def _fused(convolution: nn.Module, norm: nn.Module) -> nn.Module | None:
    """Both in one convolution; None unless the norm is a batch norm with stored statistics."""
    if not isinstance(convolution, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return None
    if not isinstance(norm, _BatchNorm) or norm.running_mean is None:
        return None
    return fuse_conv_bn_eval(convolution, norm)
