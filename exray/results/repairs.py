"""Records of repairs on disk: one per classifier, beside the weights that were written."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import pandas as pd

from exray.errors import RecordError
from exray.schema import converted
from exray.storage.atomic_files import write_json
from exray.storage.plain_json import from_json

REPAIR_FILE = "repair.json"
WEIGHTS_FILE = "repaired.safetensors"
STATUSES = ("repaired", "forced", "refused", "nothing", "failed")
_AGAIN = "remove the file and repair again"


@dataclass(frozen=True, kw_only=True)
class RoundRecord:
    """A classifier before a repair or after one of its rounds, on held-out images.

    Args:
        accuracy: Clean accuracy, a fraction.
        verdict: The scan's.
        probability: The scan's, of being trojaned.
        num_triggers: Triggers that the scan found.
        num_injected: Those judged injected.
        strength: Of the strongest trigger (:class:`exray.scanners.base.SearchReport`); None where
            the scanner measures none.
    """

    accuracy: float
    verdict: str
    probability: float
    num_triggers: int
    num_injected: int
    strength: float | None = None


@dataclass(frozen=True, kw_only=True)
class UnlearnedRecord:
    """A trigger that was unlearned, with what it did before and after.

    Args:
        victim_class: Class whose images it flipped.
        target_class: Class they were flipped to.
        victim_name: Name of the victim class.
        target_name: Name of the target class.
        source: Name of the scanner or search that found it.
        asr_before: Of this trigger on held-out images of its victim, a fraction.
        asr_after: The same after the repair.
        size_before: Pixels of the smallest patch that flips the victim to the target; None where
            it was not measured, or no patch does.
        size_after: The same after the repair.
        is_true_trigger: Whether victim and target are the injected ones; None where unknown.
    """

    victim_class: int
    target_class: int
    victim_name: str
    target_name: str
    source: str
    asr_before: float | None
    asr_after: float | None
    size_before: float | None = None
    size_after: float | None = None
    is_true_trigger: bool | None = None


@dataclass(frozen=True, kw_only=True)
class PairSizeRecord:
    """The smallest patch of a pair of classes before and after a repair.

    Args:
        victim_class: Class whose images it flips.
        target_class: Class they are flipped to.
        size_before: Pixels; the image's own where no patch flips them.
        size_after: The same after the repair.
    """

    victim_class: int
    target_class: int
    size_before: float
    size_after: float


@dataclass(frozen=True, kw_only=True)
class RepairRecord:
    """One classifier's repair.

    Args:
        model_id: Name of the classifier within its dataset.
        run_id: Hash of the run's configuration.
        status: ``repaired`` or, against a bar, ``forced``: weights were written; ``refused``: they
            were not good enough; ``nothing``: no trigger to unlearn; ``failed``.
        reasons: Why it was refused, forced, had nothing to unlearn or failed, a sentence each.
        method: Name of the repair method.
        dataset: Name of the dataset configuration.
        scanner: Name of the scanner configuration.
        judge: Name of the judge configuration.
        seed: Of the run.
        architecture: Name of the network.
        num_learned: Clean images that were learned from.
        num_held_out: Clean images that were measured on.
        before: The classifier as it came; None where it was not measured.
        after: The classifier as it is given back; None where there is none.
        rounds: After each round.
        unlearned: Triggers that were unlearned.
        pair_sizes: The smallest patches between all pairs of classes, where they were measured.
        num_natural: Triggers that were left alone as natural.
        weights: File of the repaired weights; empty where none was written.
        seconds: Wall time.
        is_trojaned: Ground truth; None where unknown.
        trigger_kind: Kind of the true triggers; empty where clean or unknown.
        trigger_reach: Of the true triggers, ``universal`` or how many victims.
        true_accuracy_before: Accuracy on the dataset's test images; None where it has none.
        true_accuracy_after: The same after the repair.
        true_asr_before: ASR of the true triggers on test images, the greatest; None without any.
        true_asr_after: The same after the repair.
    """

    model_id: str
    run_id: str
    status: str
    reasons: list[str] = field(default_factory=list)
    method: str = ""
    dataset: str = ""
    scanner: str = ""
    judge: str = ""
    seed: int = 0
    architecture: str = ""
    num_learned: int = 0
    num_held_out: int = 0
    before: RoundRecord | None = None
    after: RoundRecord | None = None
    rounds: list[RoundRecord] = field(default_factory=list)
    unlearned: list[UnlearnedRecord] = field(default_factory=list)
    pair_sizes: list[PairSizeRecord] = field(default_factory=list)
    num_natural: int = 0
    weights: str = ""
    seconds: float = 0.0
    is_trojaned: bool | None = None
    trigger_kind: str = ""
    trigger_reach: str = ""
    true_accuracy_before: float | None = None
    true_accuracy_after: float | None = None
    true_asr_before: float | None = None
    true_asr_after: float | None = None

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> "RepairRecord":
        """The record that ``to_dict`` wrote.

        Raises:
            ValueError: If a value is missing, unknown or does not fit.
        """
        return converted(values, cls)


class RepairStore:
    """The repairs of one run, a folder per classifier.

    Args:
        root: The run's folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def place(self, model_id: str) -> Path:
        """The folder of one classifier.

        Args:
            model_id: The classifier.
        """
        return self.root / model_id

    def write(self, record: RepairRecord) -> None:
        """Stores a record in place of an older one of the same classifier.

        Args:
            record: The record.
        """
        write_json(self.place(record.model_id) / REPAIR_FILE, record.to_dict())

    def find(self, model_id: str) -> RepairRecord | None:
        """The finished record of a classifier; None if there is none, or a failed one.

        Args:
            model_id: The classifier.

        Raises:
            RecordError: If the record is broken.
        """
        path = self.place(model_id) / REPAIR_FILE
        if not path.is_file():
            return None
        record = _read(path)
        return None if record.status == "failed" else record

    def records(self) -> list[RepairRecord]:
        """All records, failed ones too, by the classifiers' names.

        Raises:
            RecordError: If one is broken.
        """
        return [_read(path) for path in sorted(self.root.glob(f"*/{REPAIR_FILE}"))]


def repair_frame(records: Sequence[RepairRecord]) -> pd.DataFrame:
    """A row per repair with its main figures.

    Args:
        records: The records.
    """
    return pd.DataFrame([_row(record) for record in records], columns=list(COLUMNS))


COLUMNS = (
    "model_id",
    "method",
    "status",
    "is_trojaned",
    "trigger_kind",
    "trigger_reach",
    "architecture",
    "accuracy_before",
    "accuracy_after",
    "verdict_before",
    "verdict_after",
    "probability_before",
    "probability_after",
    "strength_before",
    "strength_after",
    "size_before",
    "size_after",
    "num_unlearned",
    "num_natural",
    "num_rounds",
    "true_accuracy_before",
    "true_accuracy_after",
    "true_asr_before",
    "true_asr_after",
    "num_learned",
    "num_held_out",
    "scanner",
    "judge",
    "seconds",
)


def _row(record: RepairRecord) -> dict[str, object]:
    own = {spec.name for spec in fields(record)}
    values: dict[str, object] = {name: getattr(record, name) for name in COLUMNS if name in own}
    for when, stage in (("before", record.before), ("after", record.after)):
        for name in ("accuracy", "verdict", "probability", "strength"):
            values[f"{name}_{when}"] = None if stage is None else getattr(stage, name)
        sizes = [getattr(one, f"size_{when}") for one in record.unlearned]
        known = [size for size in sizes if size is not None]
        values[f"size_{when}"] = sum(known) / len(known) if known else None
    values["num_unlearned"] = len(record.unlearned)
    values["num_rounds"] = len(record.rounds)
    return values


def _read(path: Path) -> RepairRecord:
    try:
        return RepairRecord.from_dict(from_json(path.read_text("utf-8")))
    except (ValueError, OSError) as error:
        raise RecordError(path, f"is no record of a repair ({error})", _AGAIN) from error
