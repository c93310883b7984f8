"""A network cut at a layer into the part that makes features and the part that reads them."""

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn

from exray.errors import LayerNotFoundError
from exray.models.classifier import Classifier
from exray.models.folding import fold_batch_norms
from exray.models.tracing import Trace, find_cut, trace

_TOLERANCE = 1e-4  # of the logits' scale; folding batch norms reorders float32 sums


class SplitClassifier:
    """A classifier as ``head(body(images))``, cut where one tensor of features is live.

    ``body`` is the paper's g, ``head`` its h. Batch norms are folded into the
    convolutions before them, in copies: the classifier's own network is left as it was.

    Args:
        classifier: What is cut.
        layer: A rule (``second_last_conv``, ``last_conv``, ``middle``) or a module's path.
        example: A few images on which the split is checked.

    Raises:
        LayerNotFoundError: If the layer cannot be the cut.
        ValueError: If the split network does not give the classifier's logits.

    Source: EX-RAY, section 3.1, g and h at layer l.
    """

    def __init__(
        self, classifier: Classifier, layer: str, *, example: Float[Tensor, "n c h w"]
    ) -> None:
        self.classifier = classifier
        self.rule = layer
        traced = trace(classifier.network, classifier.name)
        cut = find_cut(traced, layer)
        self.layer = _path_of(traced, cut)
        self.body = fold_batch_norms(_body(traced, cut))
        self.head = fold_batch_norms(_head(traced, cut))
        self._check(example)

    @torch.no_grad()
    def _check(self, example: Float[Tensor, "n c h w"]) -> None:
        """The features have channels, and the two parts give the whole's logits."""
        features = self.body(self.classifier.preprocessing(example))
        if not isinstance(features, Tensor) or features.dim() < 2:
            reason = "gives no tensor of features"
            raise LayerNotFoundError(self.layer, self.classifier.name, [], reason)
        self.feature_shape = tuple(features.shape[1:])
        whole = self.classifier(example)
        error = float((self.head(features) - whole).abs().max())
        if not error <= _TOLERANCE * (1 + float(whole.abs().max())):
            raise ValueError(
                f"cutting {self.classifier.name} at {self.layer!r} changes its logits by up to "
                f"{error:.2g}; choose another layer"
            )

    @property
    def num_channels(self) -> int:
        """Feature maps at the cut: the length of a mask."""
        return self.feature_shape[0]

    def features(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n ..."]:
        """Features at the cut, with gradients to the images."""
        features: Tensor = self.body(self.classifier.preprocessing(images))
        return features

    @torch.no_grad()
    def cached_features(
        self, images: Float[Tensor, "n c h w"], *, batch_size: int = 256
    ) -> Float[Tensor, "n ..."]:
        """Features of many images, in batches and without gradients."""
        chunks = [self.features(chunk) for chunk in torch.split(images, batch_size)]
        return torch.cat(chunks)


def _path_of(traced: Trace, cut: fx.Node) -> str:
    """The outermost module that ends in the cut, or the operation's own name."""
    paths = [path for path, node in traced.outputs.items() if node is cut]
    return min(paths, key=len) if paths else cut.name


def _body(traced: Trace, cut: fx.Node) -> fx.GraphModule:
    """From the input to the cut."""
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in traced.nodes:
        copies[node] = graph.node_copy(node, lambda other: copies[other])
        if node is cut:
            break
    graph.output(copies[cut])
    return _module(traced.network, graph)


def _head(traced: Trace, cut: fx.Node) -> fx.GraphModule:
    """From the cut to the output; constants are fetched again."""
    graph = fx.Graph()
    copies = {cut: graph.placeholder("features")}
    nodes = traced.nodes
    after = nodes.index(cut)
    for index, node in enumerate(nodes):
        if node.op == "get_attr" or index > after:
            copies[node] = graph.node_copy(node, lambda other: copies[other])
    return _module(traced.network, graph)


def _module(network: nn.Module, graph: fx.Graph) -> fx.GraphModule:
    module = fx.GraphModule(network, graph)
    module.graph.eliminate_dead_code()
    module.recompile()
    return module.eval().requires_grad_(False)
