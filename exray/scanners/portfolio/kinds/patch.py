"""Patches of an exact number of pixels, which shrinks while they are optimised."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from exray.scanners.inversion.annealed_patches import AnnealedPatches
from exray.scanners.inversion.interfaces import Candidate, Parametrisation
from exray.scanners.inversion.strength import Strength
from exray.scanners.portfolio.block_probe import BlockProbe
from exray.scanners.portfolio.kinds.base import TriggerKind
from exray.scanners.portfolio.scene import Scene
from exray.scanners.validation import require_size_share


@dataclass(frozen=True, kw_only=True)
class PatchKind(TriggerKind):
    """A free pattern on the best pixels; the bound is their share of the image's area.

    Args:
        probe: How coloured blocks are tried, the best of which universal patches start from; None
            starts them from nothing.
    """

    probe: BlockProbe | None = None

    def started(
        self, count: int, *, image_size: tuple[int, int], seed: int, device: torch.device
    ) -> AnnealedPatches:
        """Masks of nearly equal scores, grey patterns."""
        return AnnealedPatches(count, image_size=image_size, seed=seed, device=device)

    def seed_starts(
        self, shape: Parametrisation, scene: Scene, candidates: Sequence[Candidate]
    ) -> None:
        """The best block of each target, in patches whose victims are all other classes."""
        assert isinstance(shape, AnnealedPatches)
        others = len(scene.present) - 1
        if self.probe is None or any(len(one.victims) != others for one in candidates):
            return
        starts = self.probe.results(scene).targets
        for place, candidate in enumerate(candidates):
            block = starts[candidate.target][0].block
            rows, columns = block.place
            shape.put(place, rows, columns, block.colour)

    def tighten(
        self,
        shape: Parametrisation,
        objective: Strength,
        *,
        bounds: tuple[float, float],
        progress: float,
    ) -> None:
        """Lowers the number of pixels linearly; states count once it has arrived."""
        assert isinstance(shape, AnnealedPatches)
        area = shape.parameters[0][0].numel()
        first, last = (max(1, round(bound * area)) for bound in bounds)
        shape.num_pixels = max(last, round(first + (last - first) * progress))
        objective.bound = last

    def check_bounds(self, bounds: Sequence[float]) -> None:
        """Refuses what is no share of the image."""
        for bound in bounds:
            require_size_share("bound", bound)
