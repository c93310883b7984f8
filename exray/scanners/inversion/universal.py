"""Universal triggers: settings, candidates and the images that they are optimised on."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from exray.images.samples import SampleSet
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.validation import require_count, require_size_share


@dataclass(frozen=True, kw_only=True)
class UniversalSettings:
    """Search for one trigger of many colours per target, for all victims at once.

    Args:
        share: Share of the other classes' images among whose likeliest classes a target must be.
        max_size_share: Bound on the trigger's size as a share of the image's area.
        images_per_step: Images per step.

    Raises:
        ValueError: If a share is out of its range or the count is not positive.
    """

    share: float
    max_size_share: float
    images_per_step: int

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be a fraction in [0, 1]; got {self.share!r}")
        require_size_share("max_size_share", self.max_size_share)
        require_count("images_per_step", self.images_per_step)


def universal_candidate(target: int, present: Sequence[int], *, restart: int = 0) -> Candidate:
    """A candidate whose victims are all classes that have images, without the target.

    Args:
        target: The target class.
        present: Classes that have images.
        restart: Number of the start, for its random stream.

    Example:
        >>> universal_candidate(1, [0, 1, 2]).victims
        (0, 2)
    """
    victims = tuple(victim for victim in present if victim != target)
    return Candidate(victims=victims, target=target, restart=restart)


def pool_of(samples: SampleSet, candidate: Candidate) -> Float[Tensor, "n 3 h w"]:
    """Clean images of a candidate's victims, taken from the victims in turn.

    Args:
        samples: Clean images.
        candidate: The candidate.
    """
    return interleaved([samples.of_class(victim) for victim in candidate.victims])


def interleaved(pools: Sequence[Float[Tensor, "_ 3 h w"]]) -> Float[Tensor, "n 3 h w"]:
    """The images of several classes in turn, so that a few of them represent all classes.

    Args:
        pools: Images per class.

    Example:
        >>> pools = [torch.zeros(2, 3, 1, 1), torch.ones(1, 3, 1, 1)]
        >>> interleaved(pools)[:, 0, 0, 0]
        tensor([0., 1., 0.])
    """
    turns = [(turn, place) for place, pool in enumerate(pools) for turn in range(len(pool))]
    return torch.stack([pools[place][turn] for turn, place in sorted(turns)])
