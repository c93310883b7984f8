"""Statistics that batch norms store, beside those of images."""

import copy
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from exray.models.classifier import Classifier

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


@torch.no_grad()
def variance_ratios(
    classifier: Classifier, batches: Sequence[Float[Tensor, "n c h w"]]
) -> list[Float[Tensor, " channels"]]:
    """The logarithm of each channel's stored variance over that of images, by batch norm.

    Above zero a channel varied more in training than it does on any of the batches.

    Args:
        classifier: Stays as it is; its network `stores_statistics`.
        batches: Clean images, and the same images changed; at least one batch, of two images.

    Returns:
        A vector for each call of a batch norm, in the order of the calls.

    Example:
        >>> from exray.models.classifier import Preprocessing
        >>> network = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten())
        >>> network[0].running_var[1] = 4.0
        >>> classifier = Classifier(network, Preprocessing(), num_classes=12, name="wide")
        >>> (ratios,) = variance_ratios(classifier, [torch.randn(99, 3, 2, 2)])
        >>> ratios.argmax().item()
        1
    """
    greatest: list[Tensor] = []
    for batch in batches:
        seen = _variances(classifier, batch)
        greatest = [torch.maximum(*pair) for pair in zip(seen, greatest or seen, strict=True)]
    stored = _stored_variances(classifier, batches[0][:1])
    return [_log_ratio(*pair) for pair in zip(stored, greatest, strict=True)]


@torch.no_grad()
def last_norm(
    classifier: Classifier, images: Float[Tensor, "n c h w"]
) -> tuple[Float[Tensor, "n d"], Float[Tensor, " d"], Float[Tensor, " d"]]:
    """What enters the batch norm that is called last, beside what it stored of its training.

    Args:
        classifier: Stays as it is; its network `stores_statistics`.
        images: Clean ones, at least one.

    Returns:
        Of each image the mean of each channel over the places, the stored means, and the stored
        standard deviations.

    Example:
        >>> from exray.models.classifier import Preprocessing
        >>> network = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten())
        >>> classifier = Classifier(network, Preprocessing(), num_classes=12, name="norm")
        >>> means, _, deviations = last_norm(classifier, torch.ones(2, 3, 2, 2))
        >>> means.tolist(), deviations.tolist()
        ([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]], [1.0, 1.0, 1.0])
    """
    parts = [
        _at_norms(classifier, part, lambda _, entering: _place_means(entering))[-1]
        for part in torch.split(images, _BATCH)
    ]
    one = images[:1]
    means = _at_norms(classifier, one, lambda norm, _: norm.get_buffer("running_mean").float())
    return torch.cat(parts), means[-1], _stored_variances(classifier, one)[-1].sqrt()


def _place_means(entering: Float[Tensor, "n d ..."]) -> Float[Tensor, "n d"]:
    return entering.float().reshape(*entering.shape[:2], -1).mean(dim=2)


def _variances(
    classifier: Classifier, images: Float[Tensor, "n c h w"]
) -> list[Float[Tensor, " channels"]]:
    """Of what enters the batch norms, call by call; a part of the images at a time."""
    totals: list[Tensor] = []  # how many values there are, their sum, that of their squares
    for part in torch.split(images, _BATCH):
        sums = _at_norms(classifier, part, lambda _, entering: _sums(entering))
        zeros = [torch.zeros_like(one) for one in sums]
        totals = [one + other for one, other in zip(sums, totals or zeros, strict=True)]
    return [
        ((squares - total**2 / count) / (count - 1)).float() for count, total, squares in totals
    ]


def _stored_variances(
    classifier: Classifier, images: Float[Tensor, "n c h w"]
) -> list[Float[Tensor, " channels"]]:
    return _at_norms(classifier, images, lambda norm, _: norm.get_buffer("running_var").float())


def _sums(entering: Float[Tensor, "n c ..."]) -> Float[Tensor, "3 c"]:
    values = entering.double().transpose(0, 1).flatten(1)
    count = torch.full_like(values[:, 0], values.shape[1])
    return torch.stack([count, values.sum(dim=1), values.square().sum(dim=1)])


def _at_norms(
    classifier: Classifier,
    images: Float[Tensor, "n c h w"],
    measure: Callable[[nn.Module, Tensor], Tensor],
) -> list[Tensor]:
    """What is measured at each call of a batch norm, in the order of the calls."""
    measured: list[Tensor] = []

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
