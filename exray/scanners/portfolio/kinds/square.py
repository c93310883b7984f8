"""Square patches, which start where a block was tried and shrink to their best part."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from exray.scanners.inversion.interfaces import Candidate, Parametrisation
from exray.scanners.inversion.loop import Inversion
from exray.scanners.inversion.square_patches import SquarePatches
from exray.scanners.inversion.strength import Strength
from exray.scanners.portfolio.block_probe import BlockProbe, Start
from exray.scanners.portfolio.kinds.base import TriggerKind
from exray.scanners.portfolio.scene import Scene
from exray.scanners.validation import require_size_share


@dataclass(frozen=True, kw_only=True)
class SquareKind(TriggerKind):
    """A free pattern in a square; the bound is its side as a share of the image's shorter one.

    A candidate's number of restart is the place of its start among those of the probe.

    Args:
        probe: How coloured blocks are tried.
        side: Side of the first squares, a share.

    Raises:
        ValueError: If the side is no share of the image.
    """

    probe: BlockProbe
    side: float

    def __post_init__(self) -> None:
        require_size_share("side", self.side)

    def starts(self, scene: Scene, candidate: Candidate) -> tuple[Start, ...]:
        """Where a candidate may start, the best place first.

        Args:
            scene: The classifier and its images.
            candidate: A pair, a universal trigger, or one whose victims are all classes.
        """
        probed = self.probe.results(scene)
        if set(candidate.victims) == set(scene.present):
            return probed.free
        if len(candidate.victims) == 1 and len(scene.present) > 2:
            return probed.pairs.get((candidate.victims[0], candidate.target), ())
        return probed.targets[candidate.target]

    def num_starts(self, scene: Scene, *, most: int) -> int:
        """As many as the probe has of blocks for all classes."""
        return min(most, len(self.probe.results(scene).free))

    def started(
        self, count: int, *, image_size: tuple[int, int], seed: int, device: torch.device
    ) -> SquarePatches:
        """Grey squares in the upper left corner."""
        del seed
        side = _pixels(self.side, image_size)
        return SquarePatches(count, image_size=image_size, side=side, device=device)

    def seed_starts(
        self, shape: Parametrisation, scene: Scene, candidates: Sequence[Candidate]
    ) -> None:
        """Each square on its block."""
        assert isinstance(shape, SquarePatches)
        for place, candidate in enumerate(candidates):
            block = self.starts(scene, candidate)[candidate.restart].block
            rows, columns = block.place
            shape.put(place, rows, columns, block.colour)

    def enter(
        self, inversion: Inversion, objective: Strength, *, alive: Sequence[int], bound: float
    ) -> None:
        """Shrinks the squares to the best of their parts, from their best patterns."""
        shape = inversion.shape
        assert isinstance(shape, SquarePatches)
        height, width = shape.parameters[0].shape[-2:]
        side = _pixels(bound, (height, width))
        if side >= shape.side:
            return
        inversion.restart_from_best(alive, learning_rate=inversion.settings.learning_rate)
        for place in alive:
            masks = shape.within(place, side)
            view = inversion.tried(place, shape.row(place, masks))
            shape.shrink(place, masks[int(objective.leads(view).mean(dim=1).argmax())])
        shape.side = side

    def check_bounds(self, bounds: Sequence[float]) -> None:
        """Refuses what is no share of the image."""
        for bound in bounds:
            require_size_share("bound", bound)


def _pixels(share: float, image_size: tuple[int, int]) -> int:
    """A share of the shorter side in pixels."""
    return max(1, round(share * min(image_size)))
