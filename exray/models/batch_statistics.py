"""Statistics that batch norms store, beside those of images."""

import copy
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from exray.models.classifier import Classifier

Measured = TypeVar("Measured")
BatchStatistics = Literal["stored", "images"]
_BATCH = 64  # images at most whose statistics are taken together
_SHARE = 0.02  # of a layer's median variance, below which a variance is not told from none


def has_batch_norms(network: nn.Module) -> bool:
    """Whether a network normalises by batch norms.

    Args:
        network: Any.
    """
    return bool(_batch_norms(network))


@torch.no_grad()
def with_image_statistics(classifier: Classifier, images: Float[Tensor, "n c h w"]) -> Classifier:
    """A classifier whose batch norms have the statistics of images in place of the stored ones.

    Some networks are good in training mode alone, since the running averages in their file never
    were those of their images. The averages are taken again, over batches of images in another
    order than theirs.

    Args:
        classifier: Stays as it is.
        images: Clean ones, of all classes.

    Raises:
        ValueError: If its network has no batch norm, or cannot be copied.

    Example:
        >>> from exray.models.classifier import Preprocessing
        >>> network = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten())
        >>> images = torch.rand(8, 3, 2, 2) + 5
        >>> classifier = Classifier(network, Preprocessing(), num_classes=12, name="shifted")
        >>> bool(with_image_statistics(classifier, images)(images).mean().abs() < 1e-4)
        True
    """
    if not has_batch_norms(classifier.network):
        raise ValueError(
            f"batch statistics need a batch norm, and {classifier.name} has none; leave them"
        )
    network = copy.deepcopy(classifier.network)
    norms = _batch_norms(network)
    for norm in norms:
        norm.track_running_stats = True
        norm.register_buffer("num_batches_tracked", torch.tensor(0, device=images.device))
        norm.register_buffer("running_mean", images.new_zeros(norm.num_features))
        norm.register_buffer("running_var", images.new_ones(norm.num_features))
        norm.momentum = None  # the plain average over all batches
        norm.train()
    other = classifier.around(network)
    for norm in norms:
        norm.train()  # a classifier puts its network into eval mode
    stream = torch.Generator().manual_seed(0)
    rows = torch.randperm(len(images), generator=stream).to(images.device)
    for batch in torch.chunk(rows, -(-len(rows) // _BATCH)):
        other(images[batch])
    network.eval()
    return other


def stores_statistics(network: nn.Module) -> bool:
    """Whether a network has batch norms, and each has its means and variances from its training.

    Args:
        network: Any.
    """
    norms = _batch_norms(network)
    return bool(norms) and all(norm.running_var is not None for norm in norms)


class NormMoments(NamedTuple):
    """What enters one call of a batch norm: of each image the mean and mean square of each channel.

    ``places`` is how many values of an image a channel has.
    """

    means: Float[Tensor, "n d"]
    squares: Float[Tensor, "n d"]
    places: int


class StoredMoments(NamedTuple):
    """What a batch norm stored of its training."""

    means: Float[Tensor, " d"]
    variances: Float[Tensor, " d"]


@torch.no_grad()
def norm_moments(classifier: Classifier, images: Float[Tensor, "n c h w"]) -> list[NormMoments]:
    """The moments of what enters each call of a batch norm, in the order of the calls.

    Args:
        classifier: Stays as it is.
        images: At least one; passed through a part at a time.

    Example:
        >>> from exray.models.classifier import Preprocessing
        >>> network = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten())
        >>> classifier = Classifier(network, Preprocessing(), num_classes=12, name="norm")
        >>> (one,) = norm_moments(classifier, torch.full((2, 3, 2, 2), 0.5))
        >>> one.means.tolist()[0], one.squares.tolist()[0], one.places
        ([0.5, 0.5, 0.5], [0.25, 0.25, 0.25], 4)
    """
    parts = [_at_norms(classifier, part, _entering) for part in torch.split(images, _BATCH)]
    return [
        NormMoments(
            means=torch.cat([one.means for one in call]),
            squares=torch.cat([one.squares for one in call]),
            places=call[0].places,
        )
        for call in zip(*parts, strict=True)
    ]


@torch.no_grad()
def stored_moments(classifier: Classifier, image: Float[Tensor, "1 c h w"]) -> list[StoredMoments]:
    """What each called batch norm stored, in the order of the calls.

    Args:
        classifier: Stays as it is; its network `stores_statistics`.
        image: Any that it takes.
    """
    return _at_norms(classifier, image, _kept)


def variance_ratios(
    stored: Sequence[StoredMoments], batches: Sequence[Sequence[NormMoments]]
) -> list[Float[Tensor, " d"]]:
    """The logarithm of each channel's stored variance over that of images, by batch norm.

    Above zero a channel varied more in training than it does on any of the batches.

    Args:
        stored: Of each call.
        batches: Of clean images, and of the same images changed; at least one batch.

    Example:
        >>> stored = [StoredMoments(torch.zeros(3), torch.tensor([1.0, 4.0, 1.0]))]
        >>> seen = NormMoments(torch.zeros(9, 3), torch.ones(9, 3), places=4)
        >>> variance_ratios(stored, [[seen]])[0].argmax().item()
        1
    """
    return [
        _log_ratio(kept.variances, torch.stack([_variance(one) for one in seen]).amax(dim=0))
        for kept, *seen in zip(stored, *batches, strict=True)
    ]


def _variance(moments: NormMoments) -> Float[Tensor, " d"]:
    """Of all values of a channel, as batch norms take it in training."""
    count = moments.places * len(moments.means)
    means, squares = (one.double().mean(dim=0) for one in (moments.means, moments.squares))
    spread = squares - means**2
    return (spread.clamp(min=0) * count / max(1, count - 1)).float()


def _entering(_: nn.Module, entering: Float[Tensor, "n d ..."]) -> NormMoments:
    values = entering.float().reshape(*entering.shape[:2], -1)
    return NormMoments(values.mean(dim=2), values.square().mean(dim=2), values.shape[2])


def _kept(norm: nn.Module, _: Tensor) -> StoredMoments:
    names = ("running_mean", "running_var")
    means, variances = (norm.get_buffer(name).detach().float().clone() for name in names)
    return StoredMoments(means, variances)


def _at_norms(
    classifier: Classifier,
    images: Float[Tensor, "n c h w"],
    measure: Callable[[nn.Module, Tensor], Measured],
) -> list[Measured]:
    """What is measured at each call of a batch norm, in the order of the calls."""
    measured: list[Measured] = []

    def note(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        measured.append(measure(norm, inputs[0]))

    handles = [norm.register_forward_pre_hook(note) for norm in _batch_norms(classifier.network)]
    try:
        classifier(images)
    finally:
        for handle in handles:
            handle.remove()
    return measured


def _log_ratio(stored: Float[Tensor, " c"], seen: Float[Tensor, " c"]) -> Float[Tensor, " c"]:
    """Of two variances, neither told from zero far below the layer's median."""
    least = (_SHARE * stored.median()).clamp(min=1e-12)
    return ((stored + least) / (seen + least)).log()


def _batch_norms(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    return [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
