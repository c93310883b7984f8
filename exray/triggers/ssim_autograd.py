"""SSIM against clean images whose means and variances are computed once, with its own backward.

Per window, with means ``a, b`` and variances ``A, B`` of the clean and the stamped pixels and their
covariance ``C``, the likeness is ``l s`` with ``l = (2ab + c1) / (a^2 + b^2 + c1)`` and
``s = (2C + c2) / (A + B + c2)``; at all scales but the coarsest it is ``s`` alone. ``B`` is
``E[y^2] - b^2`` and ``C`` is ``E[xy] - ab``, so that ``l s`` depends on the stamped pixels ``y``
through three window means alone, whose derivatives are

    d/dE[xy]  = 2 l / (A + B + c2)
    d/dE[y^2] = -s l / (A + B + c2), and 0 where rounding took B below 0
    d/db      = -a d/dE[xy] - 2b d/dE[y^2] + 2 s (a - b l) / (a^2 + b^2 + c1)

A window mean is linear in the pixels, so the gradient in the pixels is
``W'(d/db) + 2y W'(d/dE[y^2]) + x W'(d/dE[xy])`` with the transposed window ``W'``.

Source: Wang et al. 2004, equation (13). A test holds the gradient to finite differences.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

WINDOW = 11  # pixels: the Gaussian window of sigma 1.5 that SSIM is defined with
_BORDER = WINDOW // 2
_SIGMA = 1.5
_LIGHT, _SHAPE = 0.01**2, 0.03**2  # what steadies both quotients, for the range 1


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Which windows are compared, as the weights of rows and of columns.

    Args:
        down: Weights of the rows in each window.
        across: Weights of the columns in each window.
    """

    down: Float[Tensor, "i h"]
    across: Float[Tensor, "j w"]

    def means(self, values: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c i j"]:
        """Of every window."""
        return torch.matmul(torch.matmul(self.down, values), self.across.T)

    def spread(self, slopes: Float[Tensor, "n c i j"]) -> Float[Tensor, "n c h w"]:
        """What slopes in the windows' means come to in the pixels."""
        return torch.matmul(self.down.T, torch.matmul(slopes, self.across))


def windows(images: Float[Tensor, "n c h w"], *, stride: int, inside: bool) -> Windows:
    """Those whose middles are ``stride`` pixels apart.

    Args:
        images: Of the size, the type and the device of the windows.
        stride: Pixels between the middles.
        inside: Leaves the border's out; else the image is reflected there.
    """
    rows = slice(_BORDER, -_BORDER, stride) if inside else slice(None, None, stride)
    down, across = (_blur(side)[rows].to(images) for side in images.shape[-2:])
    return Windows(down=down, across=across)


@dataclass(frozen=True, kw_only=True)
class CleanScale:
    """Clean images at one scale: all that SSIM takes from them alone.

    Args:
        images: At this scale.
        means: Of every window.
        variances: Of every window.
        windows: The windows.
        light: Whether the likeness of the windows' means counts, as in SSIM itself, beside
            that of contrast and structure.
    """

    images: Float[Tensor, "n c h w"]
    means: Float[Tensor, "n c i j"]
    variances: Float[Tensor, "n c i j"]
    windows: Windows
    light: bool

    def of(self, rows: Bool[Tensor, " n"]) -> "CleanScale":
        """Of some images."""
        return replace(
            self,
            images=self.images[rows],
            means=self.means[rows],
            variances=self.variances[rows],
        )


def clean_scale(
    images: Float[Tensor, "n c h w"], *, stride: int, inside: bool, light: bool
) -> CleanScale:
    """What SSIM takes from clean images at one scale.

    Args:
        images: At this scale.
        stride: Pixels between the windows.
        inside: Leaves the border's windows out.
        light: Whether the likeness of the windows' means counts.
    """
    compared = windows(images, stride=stride, inside=inside)
    means, squares = compared.means(images), compared.means(images.square())
    return CleanScale(
        images=images,
        means=means,
        variances=(squares - means.square()).clamp(min=0),
        windows=compared,
        light=light,
    )


def halved(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c i j"]:
    """Means of two by two pixels; an odd last row or column is left out.

    Rows are added; columns go through a matrix product, which beats strided sums on a CPU.

    Example:
        >>> halved(torch.arange(9.0).view(1, 1, 3, 3))[0, 0]
        tensor([[2.]])
    """
    even = images.shape[2] // 2 * 2
    rows = images[:, :, 0:even:2] + images[:, :, 1:even:2]
    return torch.matmul(rows, _pairs(images.shape[3]).to(images).T)


def likeness(
    scales: Sequence[CleanScale],
    stamped: Float[Tensor, "n c h w"],
    *,
    weights: Sequence[float] | None,
) -> Float[Tensor, " n"]:
    """The product over the scales of the windows' mean likenesses, each to its weight's power.

    Its slope is 0 where a scale's likeness is not above 0, at which powers have none.

    Args:
        scales: Of the clean images, each half as large as the one before.
        stamped: At the first scale, paired by position with the clean ones. Differentiable in
            them, once.
        weights: A power for each scale; None for the mean likeness of the only one, as it is.
    """
    alike: Float[Tensor, " n"] = _Likeness.apply(  # type: ignore[no-untyped-call]
        stamped, tuple(scales), weights
    )
    return alike


@dataclass(frozen=True, kw_only=True)
class _WindowTerms:
    """The quotients per window that likenesses and their slopes consist of."""

    stamped: Float[Tensor, "n c h w"]
    means: Float[Tensor, "n c i j"]
    rounded: Bool[Tensor, "n c i j"]  # variances that rounding took below 0
    light: Float[Tensor, "n c i j"]
    light_whole: Float[Tensor, "n c i j"]
    shape: Float[Tensor, "n c i j"]
    shape_whole: Float[Tensor, "n c i j"]

    def of(self, rows: Bool[Tensor, " n"]) -> "_WindowTerms":
        return _WindowTerms(
            stamped=self.stamped[rows],
            means=self.means[rows],
            rounded=self.rounded[rows],
            light=self.light[rows],
            light_whole=self.light_whole[rows],
            shape=self.shape[rows],
            shape_whole=self.shape_whole[rows],
        )


def _window_terms(stamped: Tensor, clean: CleanScale) -> _WindowTerms:
    over = clean.windows.means
    mixed = stamped.square()
    means, squares = over(stamped), over(mixed)
    products = over(torch.mul(stamped, clean.images, out=mixed))
    variances, both = squares - means.square(), clean.means * means
    light_whole = clean.means.square() + means.square() + _LIGHT
    shape_whole = clean.variances + variances.clamp(min=0) + _SHAPE
    return _WindowTerms(
        stamped=stamped,
        means=means,
        rounded=variances < 0,
        light=(2 * both + _LIGHT) / light_whole,
        light_whole=light_whole,
        shape=(2 * (products - both) + _SHAPE) / shape_whole,
        shape_whole=shape_whole,
    )


def _slope(
    terms: _WindowTerms, clean: CleanScale, slope: Float[Tensor, " n"]
) -> Float[Tensor, "n c h w"]:
    """Of the stamped pixels, through the windows' mean products, mean squares and means."""
    per_window = (slope / terms.means[0].numel()).view(-1, 1, 1, 1)
    of_shape = (per_window * terms.light if clean.light else per_window) / terms.shape_whole
    products = 2 * of_shape
    squares = (-terms.shape * of_shape).masked_fill(terms.rounded, 0)
    means = -clean.means * products - 2 * terms.means * squares
    if clean.light:
        apart = clean.means - terms.means * terms.light
        means += 2 * per_window * terms.shape / terms.light_whole * apart
    spread = clean.windows.spread
    slopes = spread(means)
    slopes.addcmul_(terms.stamped, spread(squares), value=2)
    return slopes.addcmul_(clean.images, spread(products))


def _add_halved(slopes: Float[Tensor, "n c h w"], coarse: Float[Tensor, "n c i j"]) -> None:
    """Adds what the slopes of the halved images come to in the images themselves."""
    even = slopes.shape[2] // 2 * 2
    wide = torch.matmul(coarse, _pairs(slopes.shape[3]).to(slopes))
    slopes[:, :, 0:even:2] += wide
    slopes[:, :, 1:even:2] += wide


class _Likeness(torch.autograd.Function):
    """Goes back only through images whose likeness has a slope."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        stamped: Tensor,
        scales: tuple[CleanScale, ...],
        weights: Sequence[float] | None,
    ) -> Tensor:
        terms: list[_WindowTerms] = []
        means: list[Tensor] = []
        for clean in scales:
            terms.append(_window_terms(halved(terms[-1].stamped) if terms else stamped, clean))
            alike = terms[-1].shape * terms[-1].light if clean.light else terms[-1].shape
            means.append(alike.flatten(1).mean(dim=1))
        per_scale = torch.stack(means)
        if weights is None:
            ctx.parts = (scales, terms, torch.ones_like(per_scale))  # type: ignore[attr-defined]
            return per_scale[0]
        powers = per_scale.new_tensor(weights)[:, None]
        positive = (per_scale > 0).all(dim=0)
        per_scale = torch.where(positive, per_scale, 1)
        product = torch.where(positive, (per_scale**powers).prod(dim=0), 0)
        ctx.parts = (scales, terms, product * powers / per_scale)  # type: ignore[attr-defined]
        return product

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, slope: Tensor) -> tuple[Tensor | None, None, None]:
        scales, terms, shares = ctx.parts  # type: ignore[attr-defined]
        per_scale = slope * shares
        rows = (per_scale != 0).any(dim=0)
        if not bool(rows.any()):
            return None, None, None
        if bool(rows.all()):
            return _pixel_slopes(scales, terms, per_scale), None, None
        slopes = torch.zeros_like(terms[0].stamped)
        scales, terms = ([part.of(rows) for part in parts] for parts in (scales, terms))
        slopes[rows] = _pixel_slopes(scales, terms, per_scale[:, rows])
        return slopes, None, None


def _pixel_slopes(
    scales: Sequence[CleanScale], terms: Sequence[_WindowTerms], per_scale: Float[Tensor, "s n"]
) -> Float[Tensor, "n c h w"]:
    """Slopes of the stamped pixels, coarse to fine."""
    slopes = _slope(terms[-1], scales[-1], per_scale[-1])
    for place in range(len(scales) - 2, -1, -1):
        finer = _slope(terms[place], scales[place], per_scale[place])
        _add_halved(finer, slopes)
        slopes = finer
    return slopes


@cache
def _blur(side: int) -> Float[Tensor, "side side"]:
    """The Gaussian along one axis as a matrix, reflected at both ends.

    The window is separable, and two small matrix products are faster than convolutions of a
    channel each: on a CPU 4 times at 64 pixels and 3 times at 224, gradient included.
    """
    place = torch.arange(WINDOW, dtype=torch.float64) - _BORDER
    window = torch.exp(-place.square() / (2 * _SIGMA**2))
    reflected = F.pad(torch.arange(side).double()[None], (_BORDER, _BORDER), mode="reflect")[0]
    columns = reflected.long().unfold(0, WINDOW, 1)
    weights = (window / window.sum()).expand(side, WINDOW)
    return torch.zeros(side, side, dtype=torch.float64).scatter_add(1, columns, weights)


@cache
def _pairs(side: int) -> Float[Tensor, "half side"]:
    """A quarter of every two neighbours along one axis as a matrix; an odd last one is left out."""
    pairs = torch.eye(side // 2, dtype=torch.float64).repeat_interleave(2, dim=1)
    return pairs / 4 @ torch.eye(side // 2 * 2, side, dtype=torch.float64)
