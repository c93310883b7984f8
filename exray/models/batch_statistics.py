"""Statistics that batch norms store, beside those of images."""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, NamedTuple, TypeVar

import torch
from jaxtyping import Float, Int
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
    """What enters one call of a batch norm, of groups of images.

    Of each group the mean and the mean square of each channel, over images and places;
    ``num_values`` is how many values a channel has over all groups.
    """

    means: Float[Tensor, "g d"]
    squares: Float[Tensor, "g d"]
    num_values: int


class StoredMoments(NamedTuple):
    """What a batch norm stored of its training."""

    means: Float[Tensor, " d"]
    variances: Float[Tensor, " d"]


@torch.no_grad()
def norm_moments(
    classifier: Classifier,
    images: Float[Tensor, "n c h w"],
    groups: Int[Tensor, " n"] | None = None,
) -> list[NormMoments]:
    """The moments of what enters each call of a batch norm, in the order of the calls.

    Args:
        classifier: Stays as it is.
        images: At least one; passed through a part at a time.
        groups: Each image's group, counted from 0 without gaps; None for one group of all.

    Returns:
        Of each call the groups' moments; nothing without batch norms that are called. A norm that
        sees an image's places as rows of their own, as those of tokens do, sees them as places;
        where its rows are no multiple of the images, all groups have the moments of all rows.

    Example:
        >>> from exray.models.classifier import Preprocessing
        >>> network = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten())
        >>> classifier = Classifier(network, Preprocessing(), num_classes=12, name="norm")
        >>> (one,) = norm_moments(classifier, torch.full((2, 3, 2, 2), 0.5))
        >>> one.means.tolist(), one.squares.tolist(), one.num_values
        ([[0.5, 0.5, 0.5]], [[0.25, 0.25, 0.25]], 8)
    """
    if groups is None:
        groups = images.new_zeros(len(images), dtype=torch.int64)
    members = torch.bincount(groups)[:, None]
    totals: list[NormMoments] = []  # sums over the images so far
    for part, owners in zip(torch.split(images, _BATCH), torch.split(groups, _BATCH), strict=True):
        sums = _at_norms(classifier, part, partial(_group_sums, owners, len(members)))
        totals = [_added(*pair) for pair in zip(totals, sums, strict=True)] if totals else sums
    return [
        NormMoments((one.means / members).float(), (one.squares / members).float(), one.num_values)
        for one in totals
    ]


def pooled(moments: Sequence[NormMoments], groups: Int[Tensor, " n"]) -> list[NormMoments]:
    """The moments of groups as those of one group, without passing the images again.

    Args:
        moments: Of the groups, as `norm_moments` gives them.
        groups: Each image's group.

    Example:
        >>> two = NormMoments(torch.tensor([[1.0], [4.0]]), torch.tensor([[1.0], [16.0]]), 3)
        >>> (one,) = pooled([two], torch.tensor([0, 0, 1]))
        >>> one.means.tolist(), one.squares.tolist(), one.num_values
        ([[2.0]], [[6.0]], 3)
    """
    shares = (torch.bincount(groups).double() / len(groups))[None]
    return [
        NormMoments(
            (shares @ one.means.double()).float(),
            (shares @ one.squares.double()).float(),
            one.num_values,
        )
        for one in moments
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
        batches: Of clean images, and of the same images changed, each in one group; at least one.

    Example:
        >>> stored = [StoredMoments(torch.zeros(3), torch.tensor([1.0, 4.0, 1.0]))]
        >>> seen = NormMoments(torch.zeros(1, 3), torch.ones(1, 3), num_values=36)
        >>> variance_ratios(stored, [[seen]])[0].argmax().item()
        1
    """
    return [
        _log_ratio(kept.variances, torch.stack([_variance(one) for one in seen]).amax(dim=0))
        for kept, *seen in zip(stored, *batches, strict=True)
    ]


def _variance(moments: NormMoments) -> Float[Tensor, " d"]:
    """Of all values of a channel in one group, as batch norms take it in training."""
    means, squares = moments.means[0].double(), moments.squares[0].double()
    spread = (squares - means**2).clamp(min=0)
    return (spread * moments.num_values / max(1, moments.num_values - 1)).float()


def _group_sums(
    owners: Int[Tensor, " n"], num_groups: int, _: nn.Module, entering: Float[Tensor, "m d ..."]
) -> NormMoments:
    """Of each group the sum over its images of a channel's mean and mean square."""
    values = entering.float().reshape(*entering.shape[:2], -1)
    rows = (values.mean(dim=2).double(), values.square().mean(dim=2).double())
    means, squares = (_by_group(row, owners, num_groups) for row in rows)
    return NormMoments(means, squares, values.shape[0] * values.shape[2])


def _by_group(
    rows: Float[Tensor, "m d"], owners: Int[Tensor, " n"], num_groups: int
) -> Float[Tensor, "g d"]:
    """Sums of the images' rows by group; rows are the images', or an image's parts in order."""
    whole = len(rows) % len(owners) == 0
    by_image = (
        rows.reshape(len(owners), -1, rows.shape[1]).mean(dim=1)
        if whole
        else rows.mean(dim=0).expand(len(owners), -1)
    )
    return rows.new_zeros(num_groups, rows.shape[1]).index_add_(0, owners, by_image)


def _added(one: NormMoments, other: NormMoments) -> NormMoments:
    means, squares = one.means + other.means, one.squares + other.squares
    return NormMoments(means, squares, one.num_values + other.num_values)


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

    def note(norm: nn.Module, given: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
        measured.append(measure(norm, (*given, *named.values())[0]))

    handles = [
        norm.register_forward_pre_hook(note, with_kwargs=True)
        for norm in _batch_norms(classifier.network)
    ]
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
