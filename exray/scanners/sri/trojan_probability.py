"""A frozen logistic regression: from a search's anomaly score to the probability of a trojan."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from exray.storage.atomic_files import replace_file
from exray.storage.plain_json import from_json, to_json

KIND, FORMAT = "sri_cls", 1
FEATURE = "log_oddity"  # the stored name of SearchResult.log_anomaly
LARGEST_LOG_ODDS = 8.0  # log-odds lie within plus and minus this, as in SRI's released code
_LONGEST_FILE = 1 << 20  # bytes
_KEYS = {"kind", "format", "terms", "bias", "provenance"}


@dataclass(frozen=True, kw_only=True)
class TrojanProbability:
    """The probability that a classifier is trojaned, from ``SearchResult.log_anomaly``.

    The log-odds are ``B tanh(z / B)`` with ``z = bias + weight (value - centre) / scale`` and
    ``B = LARGEST_LOG_ODDS``. Stored as JSON, in the form of the calibrations of ``exray.rules``.

    Args:
        weight: Log-odds per standard deviation.
        centre: Mean on the classifiers that it was fitted on.
        scale: Standard deviation there, above 0.
        bias: Log-odds of a classifier of average anomaly.
        provenance: The data and settings of the fit.

    Raises:
        ValueError: If a number is not finite, or the scale is not above 0.

    Example:
        >>> model = TrojanProbability(weight=2.0, centre=1.0, scale=0.5, bias=0.0)
        >>> model.probability(1.0), round(model.probability(1.5), 3)
        (0.5, 0.876)

    Source: SRI, ``mlp_set_color_v2xy.py`` (facts, section 4). *Differs from the released code:*
    a logistic regression of the greatest anomaly score instead of a network on all checkpoints,
    since our zoos hold dozens of classifiers instead of a thousand.
    """

    weight: float
    centre: float
    scale: float
    bias: float
    provenance: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("weight", "centre", "scale", "bias"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} must be finite; got {getattr(self, name)!r}")
        if self.scale <= 0:
            raise ValueError(f"scale must be above 0; got {self.scale!r}")

    def log_odds(self, log_anomaly: float) -> float:
        """Log-odds of a trojan, positive for trojaned.

        Args:
            log_anomaly: ``SearchResult.log_anomaly`` of a classifier.
        """
        linear = self.bias + self.weight * (log_anomaly - self.centre) / self.scale
        return LARGEST_LOG_ODDS * math.tanh(linear / LARGEST_LOG_ODDS)

    def probability(self, log_anomaly: float) -> float:
        """Probability of a trojan, in (0, 1).

        Args:
            log_anomaly: ``SearchResult.log_anomaly`` of a classifier.
        """
        return 1 / (1 + math.exp(-self.log_odds(log_anomaly)))

    def write(self, path: Path) -> None:
        """Stores the numbers and their provenance as JSON.

        Args:
            path: The file; its folder is created.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        term = {name: getattr(self, name) for name in ("weight", "centre", "scale")}
        values = {
            "kind": KIND,
            "format": FORMAT,
            "terms": [{"feature": FEATURE, **term}],
            "bias": self.bias,
            "provenance": dict(self.provenance),
        }
        replace_file(path, to_json(values, indent=1))


def read_trojan_probability(path: Path) -> TrojanProbability:
    """Reads a stored fit, which holds numbers and names and nothing that could run.

    Args:
        path: As ``TrojanProbability.write`` stores it.

    Raises:
        ValueError: If there is no such file, or it holds something else.
    """
    try:
        if path.stat().st_size > _LONGEST_FILE:
            raise ValueError("it is too large")
        return _parsed(from_json(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(
            f"classifier={path} holds no fit of SRI-CLS ({error}); "
            "fit one with task=fit scanner=sri_cls"
        ) from error


def _parsed(values: Mapping[str, object]) -> TrojanProbability:
    if values.get("kind") != KIND or values.get("format") != FORMAT or set(values) != _KEYS:
        raise ValueError(f"its kind and format are not {KIND!r} and {FORMAT}")
    terms, provenance = values["terms"], values["provenance"]
    if not isinstance(terms, list) or len(terms) != 1 or not isinstance(terms[0], dict):
        raise ValueError("its terms are not a list of one object")
    term = terms[0]
    if term.get("feature") != FEATURE or set(term) != {"feature", "weight", "centre", "scale"}:
        raise ValueError(f"its term must hold feature={FEATURE}, weight, centre and scale")
    if not isinstance(provenance, dict):
        raise ValueError("its provenance is no object")
    return TrojanProbability(
        weight=_number("weight", term["weight"]),
        centre=_number("centre", term["centre"]),
        scale=_number("scale", term["scale"]),
        bias=_number("bias", values["bias"]),
        provenance=provenance,
    )


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number; got {value!r}")
    return float(value)
