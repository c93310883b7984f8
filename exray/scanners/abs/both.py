"""ABS for patches and for filters on one stimulation."""

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.scanners.abs.filters import AbsFilterScanner
from exray.scanners.abs.patches import AbsPatchScanner, stimulated
from exray.scanners.base import Progress, Scanner, ScannerResult
from exray.scanners.ensemble import strongest_answer
from exray.scanners.validation import nothing_to_scan


class AbsBoth(Scanner):
    """What both scanners find by themselves, from one stimulation where their settings agree.

    A trojaned classifier's trigger may be a patch or a filter, and nobody knows which beforehand.
    All triggers go to the judge, each with the scanner that found it as its source.

    Args:
        patch: ABS for patches.
        filter: ABS for filters.
    """

    def __init__(
        self,
        *,
        patch: AbsPatchScanner,
        filter: AbsFilterScanner,  # noqa: A002  # the yaml's word
    ) -> None:
        self.patch = patch
        self.filter = filter

    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScannerResult:
        """The triggers of both, strongest first; trojaned where one of them says so."""
        if (nothing := nothing_to_scan(classifier, samples)) is not None:
            return nothing
        first, second = ((each.stimulation, each.prescreen) for each in (self.patch, self.filter))
        split, pointers = stimulated(classifier, samples, *first)
        found = self.patch.invert(split, samples, pointers, progress)
        if second != first:
            split, pointers = stimulated(classifier, samples, *second)
        return strongest_answer([found, self.filter.invert(split, samples, pointers, progress)])
