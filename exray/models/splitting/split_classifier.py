"""A network cut at a layer into the part that makes features and the part that reads them."""

from collections.abc import Hashable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from exray.models.classifier import Classifier
from exray.models.fixed_batch import FixedBatch, filled
from exray.models.splitting.batchnorm_folding import fold_batch_norms
from exray.models.splitting.channel_axis import axis_at
from exray.models.splitting.cut_points import RULES, find_cut, hides
from exray.models.splitting.hooked_split import hooked_parts
from exray.models.splitting.traced_split import traced_body, traced_head
from exray.models.splitting.tracing import Trace, UntraceableError, trace
from exray.models.temperature import tempered

_TOLERANCE = 1e-4  # of the logits' scale; folding batch norms reorders float32 sums
_EXAMPLES = 4  # images on which a split is checked
_MAX_WRAPPERS = 4  # around a stranger's network, each of which calls it `network`


@dataclass(frozen=True, kw_only=True)
class SplitParts:
    """The two parts of a cut network.

    Args:
        layer: Where the cut is.
        body: From the network's input to the features.
        head: From the features to the logits.
        feature_shape: Of one image's features, channels first.
    """

    layer: str
    body: nn.Module
    head: nn.Module
    feature_shape: tuple[int, ...]


class SplitClassifier:
    """A classifier as ``head(body(images))``, cut where one tensor of features is live.

    ``body`` is the paper's g, ``head`` its h. Features have their channels second: tokens x
    channels become channels x tokens at the end of the body, and tokens x channels in the head.
    Batch norms are folded into the convolutions before them, in copies: the classifier's own
    network is left as it was. A network that torch.fx cannot trace, or only as a few large
    modules, is copied and cut by forward hooks.

    Args:
        classifier: What is cut.
        layer: A rule (``second_last_conv``, ``last_conv``, ``middle``), a module's path, or the
            name that another split gave as its ``layer``.
        example: A few images on which the split is checked.
        parts: The same classifier's parts at the same layer, where it has been cut already.

    Attributes:
        rule: The layer as it was asked for.
        layer: Where the cut is.
        feature_shape: Of one image's features, channels first.

    Raises:
        LayerNotFoundError: If the layer cannot be the cut.
        ValueError: If the split network does not give the classifier's logits.

    Source: EX-RAY, section 3.1, g and h at layer l.
    """

    def __init__(
        self,
        classifier: Classifier,
        layer: str,
        *,
        example: Float[Tensor, "n c h w"],
        parts: SplitParts | None = None,
    ) -> None:
        self.classifier = classifier
        self.rule = layer
        self.parts = _checked_parts(classifier, layer, example) if parts is None else parts
        self.layer = self.parts.layer
        self.body = self.parts.body
        self.head = self.parts.head
        self.feature_shape = self.parts.feature_shape

    @classmethod
    def of(
        cls, classifier: Classifier, layer: str, images: Float[Tensor, "n c h w"]
    ) -> "SplitClassifier":
        """The classifier cut at a layer, once: the parts stay with the classifier.

        They are cut anew when the classifier has moved to another device, or for images of another
        size.

        Args:
            classifier: What is cut.
            layer: See the class.
            images: At least one; the split is checked on the first few.

        Raises:
            LayerNotFoundError: If the layer cannot be the cut.
            ValueError: If the split network does not give the classifier's logits.
        """
        example = images[:_EXAMPLES]
        place: tuple[Hashable, ...] = (classifier.device, example.dtype, *example.shape[1:])
        known = classifier.splits.get((layer, place))
        parts = known if isinstance(known, SplitParts) else None
        split = cls(classifier, layer, example=example, parts=parts)
        if parts is None:
            others = [key for key in classifier.splits if key[1] != place]
            for key in others:
                del classifier.splits[key]
            classifier.splits[layer, place] = split.parts
        split.body.eval()
        split.head.eval()
        return split

    @property
    def num_channels(self) -> int:
        """Feature maps at the cut: the length of a mask."""
        return self.feature_shape[0]

    def features(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n ..."]:
        """Features at the cut, with gradients to the images."""
        with self.classifier.computing():
            features: Tensor = self.body(self.classifier.preprocessing(images))
        return features if self._is_exact else features.to(images.dtype)

    def logits(self, features: Float[Tensor, "n ..."]) -> Float[Tensor, "n k"]:
        """Logits of features at the cut."""
        with self.classifier.computing():
            logits: Tensor = self.head(features)
        return logits if self._is_exact else logits.to(features.dtype)

    @property
    def _is_exact(self) -> bool:
        return self.classifier.precision == "float32"

    @torch.no_grad()
    def cached_features(
        self, images: Float[Tensor, "n c h w"], *, batch_size: int = 256
    ) -> Float[Tensor, "n ..."]:
        """Features of many images, in batches and without gradients."""
        chunks = [self.features(chunk) for chunk in torch.split(images, batch_size)]
        return torch.cat(chunks)


def _checked_parts(
    classifier: Classifier, layer: str, example: Float[Tensor, "n c h w"]
) -> SplitParts:
    """The parts at a layer, once they give the whole classifier's logits."""
    images = classifier.preprocessing(example)
    network = classifier.network
    if not isinstance(network, FixedBatch):
        parts = _parts(network, _own_path(network, layer), images, classifier.name)
        return _checked(classifier, *parts, example)
    inner, size = network.network, network.batch_size
    batch = filled(images[:size], size)
    place, body, head = _parts(inner, _own_path(inner, layer), batch, classifier.name)
    return _checked(classifier, place, network.around(body), network.around(head), example)


def _own_path(network: nn.Module, layer: str) -> str:
    """A module's path inside the wrappers around a stranger's network, if it is one in there."""
    paths = {path for path, _ in network.named_modules(remove_duplicate=False)}
    inside = layer
    for _ in range(_MAX_WRAPPERS):
        if layer in RULES or inside in paths:
            return inside
        inside = f"network.{inside}"
    return layer


def _parts(
    network: nn.Module, layer: str, images: Float[Tensor, "n ..."], name: str
) -> tuple[str, nn.Module, nn.Module]:
    """What the cut is called, the body and the head."""
    traced = _traced(network, images, name)
    if traced is None or hides(traced, layer):
        return hooked_parts(network, layer, images, name=name)
    cut = find_cut(traced, layer)
    axis = axis_at(traced, cut)
    body = fold_batch_norms(traced_body(traced, cut, axis))
    return cut.layer, body, fold_batch_norms(traced_head(traced, cut, axis, images))


def _traced(network: nn.Module, images: Float[Tensor, "n ..."], name: str) -> Trace | None:
    """The network's operations; None where torch.fx cannot follow its outermost forward."""
    try:
        return trace(network, images, name=name)
    except UntraceableError:
        return None


@torch.no_grad()
def _checked(
    classifier: Classifier,
    layer: str,
    body: nn.Module,
    head: nn.Module,
    example: Float[Tensor, "n c h w"],
) -> SplitParts:
    """The features have channels, and the two parts give the whole's logits.

    Compared in float32, since no lower precision tells a wrong cut from rounding.
    """
    features = body(classifier.preprocessing(example))
    head = tempered(head, classifier.temperature)
    whole = classifier.in_precision("float32")(example)
    error = float((head(features) - whole).abs().max())
    if not error <= _TOLERANCE * (1 + float(whole.abs().max())):
        raise ValueError(
            f"cutting {classifier.name} at {layer!r} changes its logits by up to {error:.2g}; "
            "choose another layer"
        )
    shape: tuple[int, ...] = tuple(features.shape[1:])
    return SplitParts(layer=layer, body=body, head=head, feature_shape=shape)
