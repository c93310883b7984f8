"""What a fit sees of each classifier, kept, so that a fit that was stopped goes on."""

import logging
from pathlib import Path

from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.pipeline.scan_cache import content_key
from exray.scanners.sri.sri_cls import SriCls
from exray.storage.atomic_files import replace_file

logger = logging.getLogger(__name__)


class FeatureStore:
    """Features by the content of everything they follow from.

    Args:
        root: Folder of the files; None keeps nothing.
        search: Configuration of the scanner's search, plain values.
        seed: Of the run.
    """

    def __init__(self, root: Path | None, *, search: object, seed: int) -> None:
        self.root = root
        self.described: dict[str, object] = {"search": search, "seed": seed}

    def features(
        self, scanner: SriCls, classifier: Classifier, samples: SampleSet
    ) -> Float[Tensor, "s f"]:
        """All features of the classifier's triggers, searched where they are not kept.

        Args:
            scanner: Asked where there is no file, or one that cannot be read.
            classifier: What is searched.
            samples: Clean images.
        """
        if self.root is None:
            return scanner.features(classifier, samples)
        key = content_key(self.described, classifier, samples)
        path = self.root / f"{key}.safetensors"
        try:
            kept: Tensor = load_tensors(path.read_bytes())["features"]
            return kept
        except FileNotFoundError:
            pass
        except (OSError, KeyError, SafetensorError) as error:
            logger.warning("%s cannot be read (%s); the search is made anew", path, error)
        found = scanner.features(classifier, samples)
        self.root.mkdir(parents=True, exist_ok=True)
        replace_file(path, save_tensors({"features": found.contiguous()}))
        return found
