"""Stores the number that SRI-CLS's fit uses per classifier, so that a stopped fit continues."""

import logging
from pathlib import Path

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.pipeline.content_key import content_key
from exray.scanners.sri.sri_cls import SriCls
from exray.storage.atomic_files import replace_file
from exray.storage.plain_json import from_json, to_json

logger = logging.getLogger(__name__)


class FeatureCache:
    """Log anomaly scores by the content of everything that they follow from.

    Args:
        root: Folder of the files; None stores nothing.
        search: Configuration of the scanner's search, plain values.
        seed: Of the run.
    """

    def __init__(self, root: Path | None, *, search: object, seed: int) -> None:
        self.root = root
        self.described: dict[str, object] = {"search": search, "seed": seed}

    def log_anomaly(self, scanner: SriCls, classifier: Classifier, samples: SampleSet) -> float:
        """The classifier's log anomaly score, searched where it is not stored.

        Args:
            scanner: Searches where there is no file, or one that cannot be read.
            classifier: The classifier to search.
            samples: Clean images.
        """
        if self.root is None:
            return scanner.log_anomaly(classifier, samples)
        path = self.root / f"{content_key(self.described, classifier, samples)}.json"
        try:
            return float(str(from_json(path.read_text())["log_anomaly"]))
        except FileNotFoundError:
            pass
        except (OSError, KeyError, ValueError) as error:
            logger.warning("%s cannot be read (%s); the search is repeated", path, error)
        value = scanner.log_anomaly(classifier, samples)
        self.root.mkdir(parents=True, exist_ok=True)
        replace_file(path, to_json({"log_anomaly": value}))
        return value
