"""Recolourings of many images, pixel after pixel, in pieces that fit a core's cache."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from exray.triggers.recolouring import STEEPNESS

_CPU_PIXELS = 1 << 13  # of a piece: half a MiB of hidden units
_GPU_PIXELS = 1 << 22


def recoloured_pixels(
    pixels: Float[Tensor, "p 3 n"],
    inner_weight: Float[Tensor, "p hidden 3"],
    inner_bias: Float[Tensor, "p hidden"],
    outer_weight: Float[Tensor, "p 3 hidden"],
    outer_bias: Float[Tensor, "p 3"],
) -> Float[Tensor, "p 3 n"]:
    """What ``recoloured`` makes of the pixels of several groups, each with a network of its own.

    The hidden units of all pixels are many times the images. They are made anew for the backward
    pass, a piece of the pixels at a time, and never leave the cache. Differentiable once, for the
    weights alone.

    Args:
        pixels: Colours in [0, 1], channel after channel.
        inner_weight: ``W`` of ``RecolourTrigger``.
        inner_bias: ``a``.
        outer_weight: ``V``.
        outer_bias: ``b``.
    """
    weights = (inner_weight, inner_bias, outer_weight, outer_bias)
    colours: Tensor = _Recolour.apply(pixels - 0.5, *weights)  # type: ignore[no-untyped-call]
    return colours


class _Recolour(torch.autograd.Function):
    """The networks and the sigmoid, without the hidden units between the passes."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        pixels: Float[Tensor, "p 3 n"],
        inner_weight: Float[Tensor, "p hidden 3"],
        inner_bias: Float[Tensor, "p hidden"],
        outer_weight: Float[Tensor, "p 3 hidden"],
        outer_bias: Float[Tensor, "p 3"],
    ) -> Float[Tensor, "p 3 n"]:
        """Colours; the pixels come less one half."""
        colours = torch.empty_like(pixels)
        for place in _pieces(pixels):
            some = pixels[..., place]
            hidden = torch.baddbmm(inner_bias[..., None], inner_weight, some).relu_()
            changed = torch.baddbmm(outer_bias[..., None], outer_weight, hidden).add_(some)
            colours[..., place] = changed.mul_(STEEPNESS).sigmoid_()
        ctx.save_for_backward(pixels, inner_weight, inner_bias, outer_weight, colours)
        return colours

    @staticmethod
    @once_differentiable
    def backward(
        ctx: torch.autograd.function.BackwardCFunction, pull: Float[Tensor, "p 3 n"]
    ) -> tuple[None, Tensor, Tensor, Tensor, Tensor]:
        """Nothing for the pixels; the weights' sums over them."""
        pixels, inner_weight, inner_bias, outer_weight, colours = ctx.saved_tensors  # type: ignore[misc]
        inner, outer = torch.zeros_like(inner_weight), torch.zeros_like(outer_weight)
        shift, last = torch.zeros_like(inner_bias), torch.zeros_like(outer_weight[:, :, 0])
        for place in _pieces(pixels):
            some, told = pixels[..., place], colours[..., place]
            hidden = torch.baddbmm(inner_bias[..., None], inner_weight, some).relu_()
            own = torch.addcmul(told, told, told, value=-1).mul_(pull[..., place]).mul_(STEEPNESS)
            outer.baddbmm_(own, hidden.mT)
            last += own.sum(dim=2)
            below = torch.bmm(outer_weight.mT, own).mul_(hidden.sign_())
            inner.baddbmm_(below, some.mT)
            shift += below.sum(dim=2)
        return None, inner, shift, outer, last


def _pieces(pixels: Float[Tensor, "p 3 n"]) -> list[slice]:
    """Of each group's pixels, as many at a time as fit."""
    fits = _CPU_PIXELS if pixels.device.type == "cpu" else _GPU_PIXELS
    each = max(1, fits // len(pixels))
    return [slice(start, start + each) for start in range(0, pixels.shape[2], each)]
