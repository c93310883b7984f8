"""Several scanners on one classifier, whose triggers all go to the judge."""

from collections.abc import Sequence

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.scanners.base import FileScanner, Progress, Scanner, ScannerResult
from exray.scanners.inversion.measurement import by_success


class ScannerEnsemble(Scanner):
    """Runs scanners one after the other, such as ABS for patches and ABS for filters.

    A trojaned classifier's trigger may be of either kind, which is not known beforehand. All
    triggers go to the judge, each with the scanner that found it as its source; a pair that two
    scanners find has two triggers. Without a judge the ensemble says trojaned if one scanner does,
    and its score is the greatest, so the scanners must share a scale, as those that score by ASR
    do.

    Args:
        scanners: In the order they run.

    Raises:
        ValueError: If there are fewer than two, or one of them reads files.
    """

    def __init__(self, *, scanners: Sequence[Scanner]) -> None:
        if len(scanners) < 2:
            raise ValueError(f"scanners must hold at least two; got {len(scanners)}")
        if any(isinstance(scanner, FileScanner) for scanner in scanners):
            raise ValueError(
                "scanners must not hold a scanner that reads files, whose content would not count "
                "towards the run's id; run it by itself"
            )
        self.scanners = tuple(scanners)

    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScannerResult:
        """The triggers of all scanners, strongest first.

        Inconclusive if one scanner is and none says trojaned.
        """
        results = [scanner.scan(classifier, samples, progress) for scanner in self.scanners]
        return combined_result(results)


def combined_result(results: Sequence[ScannerResult]) -> ScannerResult:
    """All triggers of several results; trojaned if one says so, with the greatest score.

    Args:
        results: At least one.

    Example:
        >>> clean = ScannerResult(triggers=(), num_candidates=4, flags=False, score=0.2)
        >>> trojaned = ScannerResult(triggers=(), num_candidates=3, flags=True, score=0.9)
        >>> both = combined_result([clean, trojaned])
        >>> both.flags, both.score, both.num_candidates
        (True, 0.9, 7)
    """
    flags = any(result.flags for result in results)
    scores = [result.score for result in results if result.score is not None]
    reasons = dict.fromkeys(result.inconclusive for result in results if result.inconclusive)
    return ScannerResult(
        triggers=by_success([trigger for result in results for trigger in result.triggers]),
        num_candidates=sum(result.num_candidates for result in results),
        flags=flags,
        score=max(scores, default=None),
        inconclusive="" if flags else "; ".join(reasons),
    )
