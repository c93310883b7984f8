"""Blends patches into images in the memory layout that networks take fastest, channels last."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable


def blended(
    images: Float[Tensor, "p m 3 h w"], patches: Float[Tensor, "p 4 h w"]
) -> Float[Tensor, "p m 3 h w"]:
    """The images with their group's patch over them; the patch's first channel is its opacity.

    The result is channels last, so that a network that takes images so copies nothing.
    Differentiable once, for the patches alone.

    Args:
        images: Groups of images; not copied if they are channels last already.
        patches: Opacity in [0, 1] and colours, one patch per group.

    Example:
        >>> patch = torch.tensor([0.25, 1.0, 1.0, 0.0]).view(1, 4, 1, 1)
        >>> blended(torch.full((1, 1, 3, 1, 1), 0.5), patch).flatten()
        tensor([0.6250, 0.6250, 0.3750])
    """
    rows = images.permute(0, 1, 3, 4, 2).contiguous()
    stamped: Tensor = _Blend.apply(rows, patches.permute(0, 2, 3, 1))  # type: ignore[no-untyped-call]
    return stamped.permute(0, 1, 4, 2, 3)


class _Blend(torch.autograd.Function):
    """``image + opacity (colour - image)``, with sums over a group's images in its backward."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        images: Float[Tensor, "p m h w 3"],
        patches: Float[Tensor, "p h w 4"],
    ) -> Float[Tensor, "p m h w 3"]:
        """Images under patches."""
        colour = patches[..., 1:].contiguous()
        opacity = patches[..., :1].expand_as(colour).contiguous()
        ctx.save_for_backward(images, opacity, colour)
        return torch.lerp(images, colour[:, None], opacity[:, None])

    @staticmethod
    @once_differentiable
    def backward(
        ctx: torch.autograd.function.BackwardCFunction, pull: Float[Tensor, "p m h w 3"]
    ) -> tuple[None, Float[Tensor, "p h w 4"]]:
        """No gradient for the images; those of opacity and colours, summed over the group."""
        images, opacity, colour = ctx.saved_tensors  # type: ignore[misc]
        pull = pull.contiguous()
        total = pull.sum(dim=1)
        apart = total * colour - (pull * images).sum(dim=1)
        return None, torch.cat([apart.sum(dim=3, keepdim=True), total * opacity], dim=3)
