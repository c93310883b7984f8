"""Neural Cleanse's anomaly index: how far below the others a trigger's size lies."""

from collections.abc import Sequence
from math import isfinite
from statistics import median

_NORMAL = 1.4826  # standard deviation over MAD of a normal distribution
_LEAST_SPREAD = 0.01  # share of the median: assumed if the MAD is smaller


def anomaly_indices(norms: Sequence[float]) -> list[float]:
    """Number of deviations by which each norm lies below the median; negative above it.

    If more than half of the norms are the same, their MAD is 0 and any other norm would have an
    infinite index; therefore a spread of at least 1 % of the median is assumed.

    Args:
        norms: Sizes of the smallest triggers, at least three of them, finite.

    Raises:
        ValueError: If they are fewer than three or not all finite.

    Example:
        >>> [round(index, 1) for index in anomaly_indices([10.0, 100.0, 110.0, 90.0, 100.0])]
        [6.1, 0.0, -0.7, 0.7, 0.0]
        >>> [round(index, 1) for index in anomaly_indices([50.0, 50.0, 50.0])]
        [0.0, 0.0, 0.0]

    Source: Neural Cleanse, section IV-C. *Differs from the paper:* the floor of the spread.
    """
    if len(norms) < 3:
        raise ValueError(f"an anomaly index needs at least three norms; got {len(norms)}")
    if not all(isfinite(norm) for norm in norms):
        raise ValueError(f"norms must be finite numbers; got {list(norms)}")
    middle = median(norms)
    spread = _NORMAL * median(abs(norm - middle) for norm in norms)
    spread = max(spread, _LEAST_SPREAD * middle, 1e-12)
    return [(middle - norm) / spread for norm in norms]
