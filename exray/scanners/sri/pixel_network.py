"""Pixelwise recolouring of many images, in chunks that fit a core's cache."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from exray.triggers.recolouring import STEEPNESS

_CPU_PIXELS = 1 << 13  # per chunk: half a MiB of hidden units
_GPU_PIXELS = 1 << 22


def recoloured_pixels(
    pixels: Float[Tensor, "p 3 n"],
    inner_weight: Float[Tensor, "p hidden 3"],
    inner_bias: Float[Tensor, "p hidden"],
    outer_weight: Float[Tensor, "p 3 hidden"],
    outer_bias: Float[Tensor, "p 3"],
) -> Float[Tensor, "p 3 n"]:
    """``triggers.recolouring.recoloured`` for several groups of pixels, one network per group.

    The hidden units of all pixels take many times the memory of the images. They are recomputed in
    the backward pass, a chunk of pixels at a time, and never leave the cache. Differentiable once,
    for the weights alone.

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
    """The networks and the sigmoid; keeps no hidden units for the backward pass."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        pixels: Float[Tensor, "p 3 n"],
        inner_weight: Float[Tensor, "p hidden 3"],
        inner_bias: Float[Tensor, "p hidden"],
        outer_weight: Float[Tensor, "p 3 hidden"],
        outer_bias: Float[Tensor, "p 3"],
    ) -> Float[Tensor, "p 3 n"]:
        """Colours of pixels from which one half was subtracted."""
        colours = torch.empty_like(pixels)
        for place in _chunks(pixels):
            chunk = pixels[..., place]
            hidden = torch.baddbmm(inner_bias[..., None], inner_weight, chunk).relu_()
            changed = torch.baddbmm(outer_bias[..., None], outer_weight, hidden).add_(chunk)
            colours[..., place] = changed.mul_(STEEPNESS).sigmoid_()
        ctx.save_for_backward(pixels, inner_weight, inner_bias, outer_weight, colours)
        return colours

    @staticmethod
    @once_differentiable
    def backward(
        ctx: torch.autograd.function.BackwardCFunction, pull: Float[Tensor, "p 3 n"]
    ) -> tuple[None, Tensor, Tensor, Tensor, Tensor]:
        """No gradient for the pixels; the weights' gradients, summed over them."""
        pixels, inner_weight, inner_bias, outer_weight, colours = ctx.saved_tensors  # type: ignore[misc]
        inner, outer = torch.zeros_like(inner_weight), torch.zeros_like(outer_weight)
        shift, last = torch.zeros_like(inner_bias), torch.zeros_like(outer_weight[:, :, 0])
        for place in _chunks(pixels):
            chunk, colour = pixels[..., place], colours[..., place]
            hidden = torch.baddbmm(inner_bias[..., None], inner_weight, chunk).relu_()
            slope = torch.addcmul(colour, colour, colour, value=-1)  # of the sigmoid
            output_pull = slope.mul_(pull[..., place]).mul_(STEEPNESS)
            outer.baddbmm_(output_pull, hidden.mT)
            last += output_pull.sum(dim=2)
            hidden_pull = torch.bmm(outer_weight.mT, output_pull).mul_(hidden.sign_())
            inner.baddbmm_(hidden_pull, chunk.mT)
            shift += hidden_pull.sum(dim=2)
        return None, inner, shift, outer, last


def _chunks(pixels: Float[Tensor, "p 3 n"]) -> list[slice]:
    """Slices of each group's pixels that fit the cache together."""
    fits = _CPU_PIXELS if pixels.device.type == "cpu" else _GPU_PIXELS
    length = max(1, fits // len(pixels))
    return [slice(start, start + length) for start in range(0, pixels.shape[2], length)]
