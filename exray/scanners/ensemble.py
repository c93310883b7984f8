"""Several scanners on one classifier, whose triggers all go to the judge."""

from collections.abc import Sequence

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.scanners.base import FileScanner, Progress, Scanner, ScannerResult


class ScannerEnsemble(Scanner):
    """Runs scanners one after the other, such as ABS for patches and ABS for filters.

    A trojaned classifier's trigger may be of either kind, and nobody knows which beforehand. All
    triggers of all scanners are handed on, each with the scanner that found it as its source; a
    pair that two scanners find has two triggers. The answer without a judge is the strongest: it
    says trojaned where one scanner does, and its score is the greatest, so that the scanners must
    share a scale, as those that score by ASR do.

    Args:
        scanners: In the order they run.

    Raises:
        ValueError: If there are fewer than two, or one of them reads files.
    """

    def __init__(self, *, scanners: Sequence[Scanner]) -> None:
        if len(scanners) < 2:
            raise ValueError(f"scanners must hold at least two; got {len(scanners)}")
        if any(isinstance(each, FileScanner) for each in scanners):
            raise ValueError(
                "scanners must not hold a scanner that reads files, whose content "
                "would not count towards the run's id; run it by itself"
            )
        self.scanners = tuple(scanners)

    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScannerResult:
        """The triggers of all scanners, strongest first.

        Inconclusive where one scanner is and none says trojaned.
        """
        return strongest_answer(
            [each.scan(classifier, samples, progress) for each in self.scanners]
        )


def strongest_answer(results: Sequence[ScannerResult]) -> ScannerResult:
    """One answer of several: all triggers, trojaned where one says so, the greatest score.

    Args:
        results: At least one.

    Example:
        >>> clean = ScannerResult(triggers=(), num_candidates=4, flags=False, score=0.2)
        >>> trojaned = ScannerResult(triggers=(), num_candidates=3, flags=True, score=0.9)
        >>> both = strongest_answer([clean, trojaned])
        >>> both.flags, both.score, both.num_candidates
        (True, 0.9, 7)
    """
    flags = any(each.flags for each in results)
    scores = [each.score for each in results if each.score is not None]
    reasons = dict.fromkeys(each.inconclusive for each in results if each.inconclusive)
    triggers = [trigger for each in results for trigger in each.triggers]
    return ScannerResult(
        triggers=tuple(sorted(triggers, key=lambda each: (-each.asr, -each.target_probability))),
        num_candidates=sum(each.num_candidates for each in results),
        flags=flags,
        score=max(scores, default=None),
        inconclusive="" if flags else "; ".join(reasons),
    )
