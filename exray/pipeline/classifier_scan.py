"""What a scan says about one classifier, and how it becomes a record."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from exray.datasets.base import Truth
from exray.judges.base import JudgedTrigger
from exray.pipeline.preprocessing_trials import Trial
from exray.results.model_scan import ModelScan, Tensors
from exray.results.provenance import Provenance
from exray.results.records import ScanRecord, TriggerRecord
from exray.rules.verdict import Verdict
from exray.scanners.base import ScannerResult


@dataclass(frozen=True, kw_only=True)
class RunLabels:
    """What a record says about the run it belongs to.

    Args:
        run_id: Hash of the run's configuration.
        dataset: Name of the dataset of models.
        scanner: Name of the scanner.
        judge: Name of the judge.
        layer: Layer at which the judge cuts the network.
        seed: Seed of the run.
    """

    run_id: str = ""
    dataset: str = ""
    scanner: str = ""
    judge: str = ""
    layer: str = ""
    seed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassifierScan:
    """What a scan says about one classifier.

    Args:
        verdict: The verdict.
        probability: Probability of being trojaned, in [0, 1]; the highest trigger's score.
        triggers: The scanner's triggers with their judgements, in the scanner's order.
        scanner_result: What the scanner said; None where no samples could be used.
        tensors: What a report may draw, by ``trigger_<index>/<name>``.
        num_classes: Classes of the classifier.
        class_names: Their names.
        clean_accuracy: On the clean samples, a fraction.
        temperature: What the classifier's logits were divided by.
        trials: Other ways to read the images that were tried, best first.
        warnings: What the user should know about this verdict, one sentence each.
        seconds: Wall time per stage, as of :class:`exray.results.records.ScanRecord`.
        provenance: Code, machine, images and calibration behind it.
    """

    verdict: Verdict
    probability: float
    triggers: tuple[JudgedTrigger, ...] = ()
    scanner_result: ScannerResult | None = None
    tensors: Tensors = field(default_factory=dict)
    num_classes: int
    class_names: tuple[str, ...]
    clean_accuracy: float
    warnings: tuple[str, ...]
    seconds: Mapping[str, float]
    temperature: float = 1.0
    provenance: Provenance = field(default_factory=Provenance)
    trials: tuple[Trial, ...] = ()

    def model_scan(
        self,
        labels: RunLabels,
        *,
        model_id: str,
        architecture: str,
        file_report: Mapping[str, str | int] | None = None,
        truth: Truth | None = None,
        command: str = "",
        model_sha256: str = "",
    ) -> ModelScan:
        """The scan as it is stored and reported.

        Args:
            labels: What the record says about its run.
            model_id: What the record calls the classifier.
            architecture: What the record calls its network.
            file_report: What the static inspection of its file reported; None without a file.
            truth: Ground truth; None where it is unknown.
            command: The command line; empty where there was none.
            model_sha256: Of its file; empty without a file.
        """
        answer = self.scanner_result
        record = ScanRecord(
            model_id=model_id,
            **vars(labels),
            status="done",
            verdict=self.verdict,
            probability=self.probability,
            scanner_flags=None if answer is None or answer.inconclusive else answer.flags,
            scanner_score=None if answer is None else answer.score,
            num_candidates=0 if answer is None else answer.num_candidates,
            num_triggers=len(self.triggers),
            num_injected=sum(one.judgement.is_injected for one in self.triggers),
            architecture=architecture,
            num_classes=self.num_classes,
            clean_accuracy=self.clean_accuracy,
            temperature=self.temperature,
            seconds=dict(self.seconds),
            warnings=list(self.warnings),
            searches=[] if answer is None else [asdict(search) for search in answer.searches],
            trials=[trial.to_dict() for trial in self.trials],
            look=dict(file_report or {}),
            truth={} if truth is None else truth.to_dict(),
            is_trojaned=None if truth is None else truth.is_trojaned,
            provenance=replace(self.provenance, command=command, model_sha256=model_sha256),
        )
        return ModelScan(record=record, triggers=self._records(truth), tensors=self.tensors)

    def _records(self, truth: Truth | None) -> tuple[TriggerRecord, ...]:
        """The triggers as they are stored."""
        return tuple(
            _trigger_record(index, judged, self.class_names, truth)
            for index, judged in enumerate(self.triggers)
        )


def _trigger_record(
    index: int, judged: JudgedTrigger, class_names: Sequence[str], truth: Truth | None
) -> TriggerRecord:
    trigger, judgement = judged.trigger, judged.judgement
    pair = (trigger.victim_class, trigger.target_class)
    return TriggerRecord(
        index=index,
        victim_class=trigger.victim_class,
        target_class=trigger.target_class,
        victim_name=class_names[trigger.victim_class],
        target_name=class_names[trigger.target_class],
        source=trigger.source,
        asr=trigger.asr,
        target_probability=trigger.target_probability,
        size_pixels=trigger.trigger.size_pixels,
        is_injected=judgement.is_injected,
        score=judgement.score,
        reason=judgement.reason,
        measurements={**trigger.measurements, **judgement.measurements},
        thresholds=dict(judgement.thresholds),
        is_true_trigger=None if truth is None else pair in truth.pairs,
    )
