"""What a model file holds, once it is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class OtherWeights:
    """Weights that a file holds beside those that were taken.

    Args:
        key: Where in the file they are.
        shapes: Their sides by name.
        read: Reads them, and says how they were found in a sentence, which may be empty.
    """

    key: str
    shapes: Mapping[str, tuple[int, ...]]
    read: Callable[[], tuple[dict[str, Tensor], str]]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The contents of a model file.

    Args:
        state: The weights by name.
        network: The network, where the file held one whole; in eval mode.
        remarks: What the user should know about how it was read, one sentence each.
        by_order: Whether the names are another framework's, so that weights fit a network layer
            by layer of each kind rather than by name.
        unbuilt: Why there is no network although the file may describe one, as a clause.
        choice: Which weights were taken and what was left out, as a sentence, or empty.
        others: Further weights in the file, the likeliest first, not yet read.
    """

    state: dict[str, Tensor]
    network: nn.Module | None = None
    remarks: tuple[str, ...] = ()
    by_order: bool = False
    unbuilt: str = ""
    choice: str = ""
    others: tuple[OtherWeights, ...] = ()

    @property
    def shapes(self) -> tuple[Mapping[str, tuple[int, ...]], ...]:
        """Sides by name of the weights that were taken, then of each of the others."""
        taken = {name: tuple(value.shape) for name, value in self.state.items()}
        return (taken, *(other.shapes for other in self.others))

    def read(self, place: int) -> tuple[dict[str, Tensor], str]:
        """Weights by their place in :attr:`shapes`, with a sentence on how they were found.

        Raises:
            CheckpointError: If they are sparse, quantised or not finite.
        """
        return (self.state, self.choice) if place == 0 else self.others[place - 1].read()
