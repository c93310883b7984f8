"""A frozen logistic model: from a trigger's measurements to the probability that it is injected."""

import hashlib
import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal, TypeVar

from msgspec import Struct

from exray.rules.base import CROSS
from exray.schema import converted

SHIPPED: Mapping[str, Path] = MappingProxyType(
    {
        "abs_both": Path(__file__).with_name("calibration.json"),
        "abs_r2": Path(__file__).with_name("calibration_abs_r2.json"),
        "abs_filter": Path(__file__).with_name("calibration_abs_filter.json"),
    }
)
"""The calibrations that come with exray, by the scanner on whose triggers they were fitted."""

SCANNERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "abs_both": ("abs_both", "abs"),
        "abs_r2": ("abs_r2",),
        "abs_filter": ("abs_filter",),
        "portfolio": ("portfolio",),
        "portfolio_uneven": (),  # taken where it is named
    }
)
"""The scanners whose triggers a shipped calibration knows: all of them, or those of a part."""

KIND, FORMAT = "calibration", 1
WIDEST = 3.0  # standard deviations at which a measurement is clipped
LONGEST_FILE = 65536  # bytes
_FLOOR = 1e-3  # nats
_LEAST_SHARE = 0.01  # of the training, added to a share before its logarithm
_WHOLE_IMAGE = 0.5  # share of changed pixels from which a trigger is no patch

T = TypeVar("T")
Feature = Callable[[Mapping[str, float]], float]


def _stored(name: str) -> Feature:
    return lambda measured: measured[name]


def _where_applicable(name: str, *, marker: str) -> Feature:
    """A measurement that not every trigger has: nan without; ``marker`` is stored with all."""
    return lambda measured: measured.get(name, measured[marker] * math.nan)


def _where_taken(name: str) -> Feature:
    """A measurement that not every run has; nan without."""
    return lambda measured: measured.get(name, math.nan)


def _stamped_share(measured: Mapping[str, float]) -> float:
    share = measured.get("stamped_share", math.nan)
    return share if math.isnan(share) else math.log(_LEAST_SHARE + share)


def _log_entropy(name: str) -> Feature:
    return lambda measured: math.log(max(measured[name], 0.0) + _FLOOR)


def _mask_ratio(measured: Mapping[str, float]) -> float:
    sums = measured["mask_sum_victim_stamped"], measured["mask_sum_victim_target"]
    return math.log((sums[0] + 1) / (sums[1] + 1))


def _patch_size(measured: Mapping[str, float]) -> float:
    share = measured["size_share"]
    return math.nan if share >= _WHOLE_IMAGE else math.log(max(share, 1e-6))


def _whole_image(measured: Mapping[str, float]) -> float:
    return float(measured["size_share"] >= _WHOLE_IMAGE)


EARLIER = tuple(
    f"earlier_{name}"
    for name in (
        *("similarity", "similarity_first", "similarity_second", "similarity_quantile"),
        *CROSS,
        "tube_ratio",
    )
)
"""The measurements at the judge's ``earlier_layer``, which not every run has."""

TRACES: Mapping[str, str] = MappingProxyType(
    {
        "target_weight": "how far the target's weights stand out in the last layer",
        "heaviest_class": "how far any class's weights stand out there (log)",
        "target_rise": "how far the target rises with batch statistics of clean images",
        "hidden_variance": "how far a few channels varied more in training than on clean images",
        "greatest_share": "how far one class had more of the training than its equals (log)",
        "stamped_gain": "how much of what batch norms stored the stamped images alone explain",
        "log_stamped_share": "what share of the training bore the trigger, so explained (log)",
    }
)
"""What the training left in last layer and batch norms, in words; not every network has it."""

FEATURES: Mapping[str, Feature] = MappingProxyType(
    {
        **{name: _stored(name) for name in ("similarity", "similarity_first", "similarity_second")},
        **{name: _stored(name) for name in CROSS},
        "weakest_cross": lambda measured: min(measured[name] for name in CROSS),
        "mean_cross": lambda measured: sum(measured[name] for name in CROSS) / len(CROSS),
        "mask_ratio": _mask_ratio,
        **{f"log_entropy_{name}": _log_entropy(f"entropy_{name}") for name in CROSS},
        "log_entropy_stamped_target": _log_entropy("entropy_stamped_target"),
        "log_patch_size": _patch_size,
        "whole_image": _whole_image,
        "similarity_quantile": _where_applicable("similarity_quantile", marker="null_count"),
        "confidence_shift": _stored("confidence_shift"),
        **{name: _where_taken(name) for name in ("steadiness", *TRACES)},
        "log_stamped_share": _stamped_share,
        "tube_ratio": _where_applicable("tube_ratio", marker="confidence_shift"),
        **{name: _where_applicable(name, marker="earlier_converged") for name in EARLIER},
    }
)
"""The features of a calibration, each a function of the stored measurements.

``mask_ratio`` is the logarithm of M2's sum over M1's, each plus one; entropies are in nats, plus
0.001, and enter by their logarithm; ``log_patch_size`` is the logarithm of a patch's share of the
image. What changes half of the pixels or more is no patch: it has no such size (nan), which adds
nothing to the log-odds, and is marked by ``whole_image``. ``similarity_quantile`` is nan where a
model has too few triggers for it, ``steadiness`` where it was not asked for, those of `TRACES`
where a network has no such layer (``log_stamped_share`` is the logarithm of ``stamped_share`` plus
0.01), ``tube_ratio`` where the target has too few images, and those of
`EARLIER` where the masks of the earlier cut did not converge.
"""


@dataclass(frozen=True, kw_only=True)
class ScaledTerm:
    """One measurement's part in the log-odds: ``weight * (value - centre) / scale``.

    Args:
        feature: One of `KNOWN`.
        weight: Log-odds per standard deviation; positive is evidence for injected.
        centre: Mean on the triggers it was fitted on.
        scale: Standard deviation there, above 0.

    Raises:
        ValueError: If there is no such feature, or a number is not finite or out of range.
    """

    KNOWN: ClassVar[Collection[str]] = ()

    feature: str
    weight: float
    centre: float
    scale: float

    def __post_init__(self) -> None:
        if self.feature not in self.KNOWN:
            raise ValueError(
                f"feature must be one of {', '.join(self.KNOWN)}; got {self.feature!r}"
            )
        for name in ("weight", "centre", "scale"):
            check_number(name, getattr(self, name))
        if self.scale <= 0:
            raise ValueError(f"scale of {self.feature} must be above 0; got {self.scale!r}")

    def pushed(self, value: float) -> float:
        """What a value adds to the log-odds, clipped at three deviations; nan adds nothing.

        Args:
            value: Of the measurement.
        """
        if math.isnan(value):
            return 0.0
        deviations = (value - self.centre) / self.scale
        return self.weight * min(max(deviations, -WIDEST), WIDEST)


@dataclass(frozen=True, kw_only=True)
class Term(ScaledTerm):
    """A measurement of ``ExrayJudge`` in a calibration of single triggers.

    Raises:
        ValueError: As of `ScaledTerm`; the features are `FEATURES`.
    """

    KNOWN: ClassVar[Collection[str]] = FEATURES

    def push(self, measurements: Mapping[str, float]) -> float:
        """What the measurement adds to the log-odds; clipped at three deviations.

        A measurement that does not apply to the trigger (nan) adds nothing.

        Args:
            measurements: As ``ExrayJudge`` measures them.

        Raises:
            ValueError: If the measurement was not taken.

        Example:
            >>> term = Term(feature="similarity", weight=-2.0, centre=0.75, scale=0.125)
            >>> term.push({"similarity": 0.5}), term.push({"similarity": 0.0})
            (4.0, 6.0)
        """
        try:
            value = FEATURES[self.feature](measurements)
        except KeyError as error:
            raise ValueError(
                f"the trigger has no measurement {error.args[0]}; judge it again with this "
                "version of judge=exray"
            ) from error
        return self.pushed(value)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A trigger's probability of being injected, and with it its model's of being trojaned.

    Fitted so that the highest probability among a model's triggers is the model's.

    Args:
        terms: A few measurements with their weights.
        bias: Log-odds of a trigger with average measurements.
        without_triggers: Probability of a model without any trigger, in (0, 1).
        unconverged: Of a trigger whose masks did not converge, in (0, 1).
        provenance: What it was fitted on, and how.

    Raises:
        ValueError: If there is no term, or a probability lies outside (0, 1).

    Example:
        >>> term = Term(feature="similarity", weight=-2.0, centre=0.75, scale=0.125)
        >>> fitted = Calibration(terms=(term,), bias=0.0, without_triggers=0.1, unconverged=0.5)
        >>> fitted.probability({"similarity": 0.75})
        0.5
    """

    terms: tuple[Term, ...]
    bias: float
    without_triggers: float
    unconverged: float
    provenance: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.terms:
            raise ValueError("a calibration needs at least one term; got none")
        check_number("bias", self.bias)
        for name in ("without_triggers", "unconverged"):
            value = check_number(name, getattr(self, name))
            if not 0 < value < 1:
                raise ValueError(f"{name} must lie in (0, 1); got {value!r}")

    def pushes(self, measurements: Mapping[str, float]) -> dict[str, float]:
        """What each measurement adds to the log-odds, by feature.

        Args:
            measurements: As ``ExrayJudge`` measures them.

        Raises:
            ValueError: If a measurement was not taken.
        """
        return {term.feature: term.push(measurements) for term in self.terms}

    def probability(self, measurements: Mapping[str, float]) -> float:
        """Probability that the trigger is injected, in (0, 1).

        Args:
            measurements: As ``ExrayJudge`` measures them, of masks that converged.

        Raises:
            ValueError: If a measurement was not taken.
        """
        return logistic(self.bias + sum(self.pushes(measurements).values()))

    @property
    def fingerprint(self) -> str:
        """Hash of all numbers that decide."""
        return hashlib.sha256(json.dumps(self._numbers(), sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON, as `read_calibration` reads them."""
        head: dict[str, object] = {"kind": KIND, "format": FORMAT}
        return head | self._numbers() | {"provenance": dict(self.provenance)}

    def _numbers(self) -> dict[str, object]:
        return {
            "terms": [dict(vars(term)) for term in self.terms],
            "bias": self.bias,
            "without_triggers": self.without_triggers,
            "unconverged": self.unconverged,
        }


class _StoredCalibration(Struct, frozen=True):
    """The JSON of a calibration."""

    kind: Literal["calibration"]
    format: Literal[1]
    terms: tuple[Term, ...]
    bias: float
    without_triggers: float
    unconverged: float
    provenance: dict[str, object]

    def calibration(self) -> Calibration:
        """What it describes."""
        return Calibration(
            terms=self.terms,
            bias=self.bias,
            without_triggers=self.without_triggers,
            unconverged=self.unconverged,
            provenance=self.provenance,
        )


def logistic(log_odds: float) -> float:
    """The probability of log-odds.

    Example:
        >>> logistic(0.0), round(logistic(-800.0), 3)
        (0.5, 0.0)
    """
    if log_odds < 0:
        return 1 - logistic(-log_odds)
    return 1 / (1 + math.exp(-log_odds))


def read_calibration(path: Path) -> Calibration:
    """The calibration in a file, which holds numbers and names and nothing that could run.

    Args:
        path: As ``task=rejudge rejudge=fit`` writes it.

    Raises:
        ValueError: If there is no such file, or it holds no calibration; names it.
    """
    return read_json(path, lambda values: converted(values, _StoredCalibration).calibration())


def read_json(path: Path, build: Callable[[object], T]) -> T:
    """What is made of a calibration's file; any mistake in it is one error that names the file.

    Args:
        path: The file, JSON.
        build: Makes it from the file's values; may raise a ValueError.

    Raises:
        ValueError: If there is no such file, or it holds no calibration; names it.
    """
    way_out = f"take {' or '.join(SCANNERS)}, or write one by task=rejudge rejudge=fit"
    if not path.is_file():
        raise ValueError(f"there is no calibration at {path}; {way_out}")
    if path.stat().st_size > LONGEST_FILE:
        raise ValueError(f"{path} is too large for a calibration; {way_out}")
    try:
        return build(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} holds no calibration ({error}); {way_out}") from error


def check_number(name: str, value: object) -> float:
    """A number that is finite and no boolean.

    Args:
        name: What it is called.
        value: What a file holds.

    Raises:
        ValueError: If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} must be a number; got {value!r}")
    return float(value)
