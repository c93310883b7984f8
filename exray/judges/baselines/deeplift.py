"""DeepLift at an inner layer, then the L2 distance over the important neurons."""

import copy
import warnings

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn
from torch.nn import functional

from exray.judges.baselines.feature_distance import AttributionDistance
from exray.models.splitting.split_classifier import SplitClassifier

_RELU_CALLS = (torch.relu, torch.relu_, functional.relu, functional.relu_)
_RELU_METHODS = ("relu", "relu_")


class DeepLiftDistance(AttributionDistance):
    """Importance by a neuron's share of the logit's difference from that of zero activation.

    Args:
        layer: Rule or module path at which the network is cut.
        rule: Turns the distance into a verdict.
        important_share: Share of the neurons that counts as important, in (0, 1].

    Source: EX-RAY, section 4.1, fourth baseline; Shrikumar et al. 2017 (rescale rule).
    """

    what = "of the neurons important by DeepLift"

    def _attribute(
        self, split: SplitClassifier, features: Float[Tensor, "n c ..."], class_index: int
    ) -> Float[Tensor, "n c ..."]:
        """Contributions to the class's logit, against zero features."""
        with warnings.catch_warnings():
            # captum warns that it sets hooks; they are on our copy of the head.
            warnings.filterwarnings("ignore", message="Setting forward, backward hooks")
            method = self.attributions.DeepLift(with_own_activations(split.head))
            attributions: Tensor = method.attribute(
                features.clone().requires_grad_(), target=class_index
            )
        return attributions.detach()


def with_own_activations(head: nn.Module) -> nn.Module:
    """A copy of a traced network in which every activation is a module used once.

    DeepLift sets its rule on modules and stores one call of each; networks share one ReLU among
    several places, or call a function.

    Args:
        head: The head of a `SplitClassifier`. A network that is not a graph is copied as it is.
    """
    copied = copy.deepcopy(head)
    if not isinstance(copied, fx.GraphModule):
        return copied
    used: set[str] = set()
    for index, node in enumerate(list(copied.graph.nodes)):
        replacement = _own(copied, node, used)
        if replacement is not None:
            name = f"own_activation_{index}"
            copied.add_submodule(name, replacement)
            with copied.graph.inserting_after(node):
                new = copied.graph.call_module(name, (node.args[0],))
            node.replace_all_uses_with(new)
            copied.graph.erase_node(node)
    copied.recompile()
    return copied.eval()


def _own(module: fx.GraphModule, node: fx.Node, used: set[str]) -> nn.Module | None:
    """A module for this place alone; None where the present one can stay."""
    is_call = node.op == "call_function" and node.target in _RELU_CALLS
    if is_call or (node.op == "call_method" and node.target in _RELU_METHODS):
        return nn.ReLU()
    if node.op != "call_module":
        return None
    present = module.get_submodule(str(node.target))
    if isinstance(present, nn.ReLU):
        return nn.ReLU()  # in its own place, and never in place
    if str(node.target) in used and not list(present.parameters()):
        return copy.deepcopy(present)
    used.add(str(node.target))
    return None
