"""The common part of the ABS scanners: one stimulation picks the candidates of each."""

from abc import abstractmethod
from collections.abc import Sequence

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.abs.stimulation import StimulatedPair, StimulationSettings, stimulated_pairs
from exray.scanners.base import Progress, Scanner, ScannerResult
from exray.scanners.inversion.prescreen import PrescreenSettings, likely_pairs
from exray.scanners.validation import nothing_to_scan


class StimulatedScanner(Scanner):
    """A scanner whose candidates come from one stimulation, which other scanners can share."""

    stimulation: StimulationSettings
    prescreen: PrescreenSettings | None

    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScannerResult:
        """Triggers within the bound that flip a victim's images to one target."""
        if (nothing := nothing_to_scan(classifier, samples)) is not None:
            return nothing
        split, pairs = stimulate(classifier, samples, self.stimulation, self.prescreen)
        return self.invert(split, samples, pairs, progress)

    @abstractmethod
    def invert(
        self,
        split: SplitClassifier,
        samples: SampleSet,
        pairs: Sequence[StimulatedPair],
        progress: Progress | None = None,
    ) -> ScannerResult:
        """The scan after stimulation.

        Args:
            split: The classifier, cut at the stimulated layer.
            samples: Clean images.
            pairs: The pairs to invert, with their channels.
            progress: Called after each step.
        """


def stimulate(
    classifier: Classifier,
    samples: SampleSet,
    settings: StimulationSettings,
    prescreen: PrescreenSettings | None,
) -> tuple[SplitClassifier, list[StimulatedPair]]:
    """The cut classifier and each victim's likeliest targets.

    Args:
        classifier: The classifier to scan.
        samples: Clean images.
        settings: How neurons are stimulated.
        prescreen: Restricts the pairs to choose from; None for all.
    """
    split = SplitClassifier.of(classifier, settings.layer, samples.images)
    likely = None if prescreen is None else set(likely_pairs(classifier, samples, prescreen))
    return split, stimulated_pairs(split, samples, settings, likely=likely)
