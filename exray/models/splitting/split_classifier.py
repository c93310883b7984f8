"""A network cut at a layer into the part that makes features and the part that reads them."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from exray.models.classifier import Classifier
from exray.models.splitting.batchnorm_folding import fold_batch_norms
from exray.models.splitting.channel_axis import axis_at
from exray.models.splitting.cut_points import find_cut
from exray.models.splitting.hooked_split import hooked_parts
from exray.models.splitting.traced_split import traced_body, traced_head
from exray.models.splitting.tracing import Trace, UntraceableError, trace

_TOLERANCE = 1e-4  # of the logits' scale; folding batch norms reorders float32 sums


class SplitClassifier:
    """A classifier as ``head(body(images))``, cut where one tensor of features is live.

    ``body`` is the paper's g, ``head`` its h. Features have their channels second: tokens x
    channels become channels x tokens on the way out of the body, and back in the head. Batch
    norms are folded into the convolutions before them, in copies: the classifier's own network is
    left as it was. A network that torch.fx cannot trace is copied and cut by forward hooks.

    Args:
        classifier: What is cut.
        layer: A rule (``second_last_conv``, ``last_conv``, ``middle``), a module's path, or the
            name that another split gave as its ``layer``.
        example: A few images on which the split is checked.

    Attributes:
        rule: The layer as it was asked for.
        layer: Where the cut is.
        feature_shape: Of one image's features, channels first.

    Raises:
        LayerNotFoundError: If the layer cannot be the cut.
        ValueError: If the split network does not give the classifier's logits.

    Source: EX-RAY, section 3.1, g and h at layer l.
    """

    body: nn.Module
    head: nn.Module

    def __init__(
        self, classifier: Classifier, layer: str, *, example: Float[Tensor, "n c h w"]
    ) -> None:
        self.classifier = classifier
        self.rule = layer
        images = classifier.preprocessing(example)
        network, name = classifier.network, classifier.name
        try:
            traced = trace(network, images, name=name)
        except UntraceableError:
            self.layer, self.body, self.head = hooked_parts(network, layer, images, name=name)
        else:
            self._cut(traced, layer, images)
        self._check(example)

    def _cut(self, traced: Trace, layer: str, images: Float[Tensor, "n c h w"]) -> None:
        cut = find_cut(traced, layer)
        axis = axis_at(traced, cut)
        self.layer = cut.layer
        self.body = fold_batch_norms(traced_body(traced, cut, axis))
        self.head = fold_batch_norms(traced_head(traced, cut, axis, images))

    @torch.no_grad()
    def _check(self, example: Float[Tensor, "n c h w"]) -> None:
        """The features have channels, and the two parts give the whole's logits."""
        features = self.body(self.classifier.preprocessing(example))
        self.feature_shape: tuple[int, ...] = tuple(features.shape[1:])
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
