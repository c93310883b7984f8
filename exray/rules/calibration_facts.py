"""What a calibration rests on, in a few plain values that a record keeps."""

from collections.abc import Mapping
from typing import TypeAlias

Facts: TypeAlias = dict[str, str | int | float]
"""Plain values by name: ``zoo``, ``num_models``, ``num_trojaned``, and how it was measured."""

_OF_FIT = ("zoo", "num_models", "num_trojaned")
_OF_REPORT = ("models", "num_clean", "num_false_positives", "num_trojaned", "num_found", "command")


def calibration_facts(provenance: Mapping[str, object], *, by_fallback: bool = False) -> Facts:
    """The zoo that a calibration was fitted on, and how often it was wrong on other models.

    Models that it was not fitted on are those that the provenance's ``measured`` names; without
    it, those of the zoo that the fit left out in turn. Of the fallback it is
    ``measured_fallback``, and what its own fit left out.

    Args:
        provenance: Of a calibration's file.
        by_fallback: Whether the file's fallback decided.

    Example:
        >>> facts = calibration_facts({"num_models": 8, "left_out": {"FPR": 0.25}})
        >>> facts["num_models"], facts["false_positive_rate"]
        (8, 0.25)
    """
    facts = _plain(provenance, _OF_FIT)
    fit = provenance.get("fallback") if by_fallback else provenance
    for name, count in (("num_models", "num_fitted"), ("num_trojaned", "num_trojaned_fitted")):
        if isinstance(fit, dict) and count in fit:
            facts[name] = fit[count]
    measured, left_out = provenance.get("measured"), provenance.get("left_out")
    if by_fallback:
        own = provenance.get("fallback")
        measured = provenance.get("measured_fallback")
        left_out = own.get("left_out") if isinstance(own, dict) else None
    if isinstance(measured, dict):
        facts |= {f"measured_{name}": value for name, value in _plain(measured, _OF_REPORT).items()}
        facts["measured_on"] = facts.pop("measured_models", "other models")
        num_clean = facts.get("measured_num_clean", 0)
        if isinstance(num_clean, int) and num_clean > 0:
            wrong = facts.get("measured_num_false_positives", 0)
            facts["false_positive_rate"] = float(wrong) / num_clean
    elif isinstance(left_out, dict) and isinstance(left_out.get("FPR"), float):
        facts["measured_on"] = "models that the fit left out in turn"
        facts["false_positive_rate"] = left_out["FPR"]
    return facts


def _plain(values: Mapping[str, object], names: tuple[str, ...]) -> Facts:
    found = {name: values[name] for name in names if name in values}
    return {name: value for name, value in found.items() if isinstance(value, str | int | float)}
