"""ABS for patches and for filters on one stimulation."""

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.scanners.abs.base import stimulate
from exray.scanners.abs.filters import AbsFilterScanner
from exray.scanners.abs.patches import AbsPatchScanner
from exray.scanners.base import Progress, Scanner, ScannerResult
from exray.scanners.ensemble import combined_result
from exray.scanners.validation import nothing_to_scan


class AbsBoth(Scanner):
    """The triggers of both scanners, from one stimulation if their settings agree.

    A trojaned classifier's trigger may be a patch or a filter, which is not known beforehand. All
    triggers go to the judge, each with the scanner that found it as its source.

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
        """The triggers of both, strongest first; trojaned if one of them says so."""
        if (nothing := nothing_to_scan(classifier, samples)) is not None:
            return nothing
        first = self.patch.stimulation, self.patch.prescreen
        second = self.filter.stimulation, self.filter.prescreen
        split, pairs = stimulate(classifier, samples, *first)
        of_patches = self.patch.invert(split, samples, pairs, progress)
        if second != first:
            split, pairs = stimulate(classifier, samples, *second)
        of_filters = self.filter.invert(split, samples, pairs, progress)
        return combined_result([of_patches, of_filters])
