"""The portfolio scanner: searches for every kind of trigger, one after the other."""

from collections.abc import Mapping

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.scanners.base import Progress, Scanner, ScannerResult, steps_reporter
from exray.scanners.portfolio.scene import Scene
from exray.scanners.portfolio.search import Search
from exray.scanners.validation import nothing_to_scan


class PortfolioScanner(Scanner):
    """Looks for patches, pictures, filters and more, universal and label-specific.

    All triggers go to the judge, each with its search as its source, and what was looked for in
    vain is in the result too. The scanner's own verdict is that of its strongest trigger, which
    says little: clean classifiers have natural triggers.

    Args:
        searches: By name, in the order they run.
        layer: Where the classifier is cut, which changes nothing but the speed.

    Raises:
        ValueError: If there is no search.
    """

    def __init__(self, *, searches: Mapping[str, Search], layer: str) -> None:
        if not searches:
            raise ValueError("searches must hold one or more; got none")
        self.searches = tuple(search.named(name) for name, search in searches.items())
        self.layer = layer

    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScannerResult:
        """The triggers of all searches, strongest first.

        Inconclusive if nothing was found and a search could not be made.
        """
        if (nothing := nothing_to_scan(classifier, samples)) is not None:
            return nothing
        total = sum(search.num_steps for search in self.searches)
        report = steps_reporter(progress, total)
        scene = Scene.of(classifier, samples, layer=self.layer, on_step=report, progress=progress)
        findings = [search.run(scene) for search in self.searches]
        triggers = sorted(
            (trigger for one in findings for trigger in one.triggers),
            key=lambda trigger: (-trigger.asr, -trigger.measurements["strength"]),
        )
        reports = tuple(one.report for one in findings)
        reasons = dict.fromkeys(report.inconclusive for report in reports if report.inconclusive)
        return ScannerResult(
            triggers=tuple(triggers),
            num_candidates=sum(one.num_candidates for one in reports),
            flags=bool(triggers),
            score=max((trigger.asr for trigger in triggers), default=0.0),
            inconclusive="" if triggers else "; ".join(reasons),
            searches=reports,
        )
