"""Records of a scan: one per classifier, one per candidate trigger."""

from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import Any

from exray.results.provenance import Provenance
from exray.rules.verdict import Verdict

_FORMER_KEYS = {"the look ends": "file_report_error"}  # of file reports in older records
RECORD_FORMAT = 1  # raised when a stored field changes its meaning


@dataclass(frozen=True, kw_only=True, slots=True)
class TriggerRecord:
    """One candidate trigger and its judgement.

    Args:
        index: Place among the classifier's triggers, from 0.
        victim_class: Class whose images the trigger flips.
        target_class: Class they are flipped to.
        victim_name: Name of the victim class.
        target_name: Name of the target class.
        source: Name of the scanner that found it.
        asr: Attack success rate on the victim's images, a fraction.
        target_probability: Mean probability of the target on the stamped images.
        size_pixels: Number of changed pixels.
        is_injected: The judge's verdict on it.
        score: How much speaks for injected, in [0, 1].
        reason: The verdict in one sentence.
        measurements: Every number behind the verdict, by name.
        thresholds: The thresholds that measurements were compared with, by name.
        is_true_trigger: Whether victim and target are the injected ones; None until ground truth
            is joined, or where there is none.
    """

    index: int
    victim_class: int
    target_class: int
    victim_name: str
    target_name: str
    source: str
    asr: float
    target_probability: float
    size_pixels: float
    is_injected: bool
    score: float
    reason: str
    measurements: dict[str, float] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    is_true_trigger: bool | None = None

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> "TriggerRecord":
        """The record that ``to_dict`` wrote. Unknown keys are an error."""
        return cls(**_known(cls, values))


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanRecord:
    """One classifier under one configuration.

    Args:
        model_id: Name of the classifier within its dataset.
        run_id: Hash of the resolved configuration without paths, loggers and launchers.
        status: ``done`` or ``failed``.
        verdict: The verdict.
        probability: Probability that the classifier is trojaned, in [0, 1]; the highest trigger
            score, so a rank rather than a probability for judges that were not calibrated; nan for
            a failed scan.
        scanner_flags: The scanner's own verdict: True for trojaned, None if it has none.
        scanner_score: The number behind it, higher for trojaned; None where there is none.
        num_candidates: Number of candidate triggers whose inversion was started.
        num_triggers: Number of triggers that met the scanner's criterion.
        num_injected: Number of these that were judged injected.
        dataset: Name of the dataset configuration.
        scanner: Name of the scanner configuration.
        judge: Name of the judge configuration.
        layer: Layer at which the judge cut the network; empty where it does not cut.
        architecture: Name of the network.
        num_classes: Number of the classifier's classes.
        clean_accuracy: Accuracy on the clean samples, a fraction.
        temperature: What the classifier's logits were divided by for the scan; 1 in records that
            were written before there was one.
        seconds: Wall time per stage: ``load``, ``inversion``, ``judgement``, ``total``; and
            ``kept_inversion``, the time of the original inversion if its result was cached.
        warnings: What the user should know about this verdict, one sentence each.
        searches: What a scanner of several searches looked for, how hard and what came of it, a
            mapping each; a clean verdict says by them what it rests on.
        trials: Other ways to read the images that were tried since the classifier got them wrong,
            a mapping each of the settings and the accuracy they give, best first.
        error: The traceback of a failed scan.
        error_line: Its message in one line.
        look: Report of the static inspection of the model's file, by name; of a refused file too,
            whose ``file_report_error`` says why the inspection ended.
        truth: Ground truth as far as it is known (``is_trojaned``, ``trigger``, ...), as
            :meth:`exray.datasets.base.Truth.to_dict` gives it.
        is_trojaned: Ground truth, joined after the verdict; None where it is unknown.
        seed: Seed of the run.
        provenance: Code, machine, file, images and calibration behind it; empty in records that
            were written before there was one.
        format: Version of this record's layout.
    """

    model_id: str
    run_id: str
    status: str
    verdict: Verdict
    probability: float
    scanner_flags: bool | None = None
    scanner_score: float | None = None
    num_candidates: int = 0
    num_triggers: int = 0
    num_injected: int = 0
    dataset: str = ""
    scanner: str = ""
    judge: str = ""
    layer: str = ""
    architecture: str = ""
    num_classes: int = 0
    clean_accuracy: float | None = None
    temperature: float = 1.0
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    searches: list[dict[str, str | int | float | None]] = field(default_factory=list)
    trials: list[dict[str, str | int | float]] = field(default_factory=list)
    error: str = ""
    error_line: str = ""
    look: dict[str, str | int] = field(default_factory=dict)
    truth: dict[str, str | int | float | bool | None] = field(default_factory=dict)
    is_trojaned: bool | None = None
    seed: int = 0
    provenance: Provenance = field(default_factory=Provenance)
    format: int = RECORD_FORMAT

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> "ScanRecord":
        """The record that ``to_dict`` wrote. Unknown keys are an error."""
        known = _known(cls, values)
        known["verdict"] = Verdict(str(known["verdict"]))
        for former, name in _FORMER_KEYS.items():
            if former in known.get("look", {}):
                known["look"] = {
                    name if key == former else key: value for key, value in known["look"].items()
                }
        provenance = dict(known.get("provenance") or {})
        return cls(**known | {"provenance": Provenance.from_dict(provenance)})


@cache
def _names(cls: type) -> frozenset[str]:
    return frozenset(spec.name for spec in fields(cls))


def _known(cls: type, values: dict[str, object]) -> dict[str, Any]:
    names = _names(cls)
    if unknown := sorted(values.keys() - names):
        raise ValueError(f"{cls.__name__} has no field {unknown[0]!r}; it has: {sorted(names)}")
    return dict(values)
