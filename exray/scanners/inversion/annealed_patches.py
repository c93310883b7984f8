"""Patches whose number of pixels is exact: the highest entries of a score map, ever fewer."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from exray.scanners.inversion.blending import blended
from exray.scanners.inversion.interfaces import Parametrisation, StampedSet
from exray.seeding import generator
from exray.triggers.patch import PatchTrigger

_HEAD_START = 0.5  # of a given square's scores: some five steps of Adam
_FULL = 1.5  # pattern logit of a colour at its end of the range; tanh is 0.9 there
_SPREAD = 0.01  # of the first scores, so that no two pixels are alike


class AnnealedPatches(Parametrisation):
    """A free pattern under a mask of exactly ``num_pixels``: those with the highest scores.

    The mask is 1 at the highest scores and 0 elsewhere; its gradient is that of the scores'
    sigmoid (straight through). Whoever optimises lowers ``num_pixels`` from a share of the image to
    the bound, so that the search is global before it is small. Every candidate starts from the same
    values, or with a square of one colour that was tried before: exchanging two classes exchanges
    their triggers and changes nothing else.

    Args:
        count: Number of candidates.
        image_size: Height and width in pixels.
        seed: Of the first scores.
        device: Device of the parameters.

    Attributes:
        num_pixels: How many pixels a mask has.

    Source: none; the paper's scanners penalise the mask's sum instead (facts, sections 2.2 and 3).
    """

    def __init__(
        self, count: int, *, image_size: tuple[int, int], seed: int, device: torch.device
    ) -> None:
        stream = generator(seed, "annealed patches")
        scores = _SPREAD * torch.randn(1, *image_size, generator=stream)
        self._scores = scores.repeat(count, 1, 1, 1).to(device)
        self._pattern_logits = torch.zeros(count, 3, *image_size, device=device)
        self.num_pixels = scores.numel()

    def put(self, place: int, rows: slice, columns: slice, colour: Sequence[float]) -> None:
        """Starts a candidate with a square: its pixels have the highest scores, and its colour.

        Args:
            place: Which candidate.
            rows: Of the square.
            columns: Of the square.
            colour: RGB in [0, 1].
        """
        self._scores[place, :, rows, columns] += _HEAD_START
        logits = self._pattern_logits.new_tensor(colour).sub(0.5).mul(2 * _FULL)
        self._pattern_logits[place, :, rows, columns] = logits[:, None, None]

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        """Scores of the pixels, logits of the patterns."""
        return self._scores, self._pattern_logits

    def prepared(self, images: Float[Tensor, "m 3 h w"]) -> Float[Tensor, "m 3 h w"]:
        """The images, each pixel's colours together in memory."""
        return images.contiguous(memory_format=torch.channels_last)

    def stamp(self, prepared: Float[Tensor, "p m c h w"], rows: Sequence[Tensor]) -> StampedSet:
        """The images with the patches in them."""
        scores, logits = rows
        hard, soft = self._masks(scores), scores.sigmoid()
        masks = hard + soft - soft.detach()
        patterns = torch.tanh(logits) / 2 + 0.5
        pixels = hard.flatten(1).sum(dim=1)
        return StampedSet(
            images=blended(prepared, torch.cat([masks, patterns], dim=1)),
            size=masks.flatten(1).sum(dim=1),
            measure=pixels,
            counted=pixels,
        )

    def trigger(self, rows: Sequence[Tensor]) -> PatchTrigger:
        """The patch of the highest scores."""
        scores, logits = rows
        pattern = torch.tanh(logits[0].detach()) / 2 + 0.5
        return PatchTrigger(mask=self._masks(scores.detach())[0, 0], pattern=pattern.clone())

    def _masks(self, scores: Float[Tensor, "p 1 h w"]) -> Float[Tensor, "p 1 h w"]:
        flat = scores.detach().flatten(1)
        chosen = flat.topk(self.num_pixels, dim=1).indices
        return torch.zeros_like(flat).scatter_(1, chosen, 1.0).view_as(scores)
