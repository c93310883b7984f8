"""Batches of several candidates' images in memory that all steps share."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


class Stack:
    """Stacks images again and again in one place, since new memory costs more than the copy.

    Example:
        >>> stack = Stack()
        >>> images = [torch.zeros(4, 3, 8, 8), torch.ones(4, 3, 8, 8)]
        >>> stack.of(images).shape
        torch.Size([2, 4, 3, 8, 8])
    """

    def __init__(self) -> None:
        self._memory = torch.empty(0)
        self._images: list[Tensor] = []
        self._together = self._memory

    def of(
        self, images: Sequence[Float[Tensor, "m c h w"]], *, reuse: bool = False
    ) -> Float[Tensor, "p m c h w"]:
        """The images stacked, in the order in memory that they have; valid until the next call.

        Args:
            images: One batch a candidate, all of one shape and one order in memory.
            reuse: Gives what the last call gave, if that was of the same tensors. Only where
                neither they nor it were changed since.
        """
        same = len(images) == len(self._images)
        if reuse and same and all(a is b for a, b in zip(images, self._images, strict=True)):
            return self._together
        last = images[0].is_contiguous(memory_format=torch.channels_last)
        parts = [each.permute(0, 2, 3, 1) for each in images] if last else list(images)
        if self._memory.shape[1:] != parts[0].shape or len(self._memory) < len(parts):
            self._memory = parts[0].new_empty(len(parts), *parts[0].shape)
        stacked = torch.stack(parts, out=self._memory[: len(parts)])
        self._together = stacked.permute(0, 1, 4, 2, 3) if last else stacked
        self._images = list(images)
        return self._together
