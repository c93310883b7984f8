"""The scan behind ``exray-trojai``: one model, in a process that may be stopped at any time."""

import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from exray.app.config import register
from exray.app.hardware import device_of
from exray.app.instantiate import built
from exray.datasets.base import LoadedModel
from exray.datasets.preprocess import FolderPreprocess
from exray.datasets.single import SingleModelDataset
from exray.datasets.trojai.model import load_trojai_model
from exray.judges.base import Judge
from exray.pipeline.classifier_scan import RunLabels
from exray.pipeline.scan import Pipeline, scan_model
from exray.pipeline.settings import ScanSettings
from exray.presets import conf_folder
from exray.results.records import ScanRecord
from exray.rules.verdict import Verdict
from exray.scanners.base import Scanner


class OneTrojaiModel(SingleModelDataset):
    """The model that a container is asked about.

    Args:
        model: ``model.pt``.
        examples: Its clean examples.
        preprocess: How they become inputs.
        limit_per_class: At most so many examples per class; None for all.
    """

    def __init__(
        self,
        *,
        model: Path,
        examples: Path,
        preprocess: FolderPreprocess,
        limit_per_class: int | None,
    ) -> None:
        super().__init__(name="trojai", model=model, model_id=model.parent.name)
        self.examples = examples
        self.preprocess = preprocess
        self.limit_per_class = limit_per_class

    def load(self, model_id: str) -> LoadedModel:
        """The network with its examples."""
        del model_id
        return load_trojai_model(
            self.model, self.examples, self.preprocess, limit_per_class=self.limit_per_class
        )

    def fingerprint(self) -> str:
        """Nothing: its record is not stored."""
        return ""


def scan_one(model: Path, examples: Path, config: DictConfig) -> ScanRecord:
    """The record of one model under a configuration.

    Args:
        model: ``model.pt``.
        examples: Its clean examples.
        config: Composed with a round's dataset, of which the preprocessing is used.

    Raises:
        ValueError: If the configuration cannot be built.
    """
    source = OneTrojaiModel(
        model=model,
        examples=examples,
        preprocess=built(config.dataset.preprocess, FolderPreprocess),
        limit_per_class=config.dataset.limit_per_class,
    )
    pipeline = Pipeline(
        scanner=built(config.scanner.engine, Scanner),
        judge=built(config.judge.engine, Judge),
        settings=built(config.scan, ScanSettings),
        device=device_of(config.trainer.accelerator),
    )
    labels = RunLabels(
        run_id="",
        dataset=source.name,
        scanner=config.scanner.name,
        judge=config.judge.name,
        layer=config.layer.name,
        seed=config.seed,
    )
    return scan_model(source, source.model_ids()[0], pipeline, labels).record


def main(arguments: Sequence[str] | None = None) -> None:
    """Scans what a task file describes and writes the answer where that says.

    Args:
        arguments: The task file, as :mod:`exray.app.trojai.command` writes it.
    """
    warnings.simplefilter("ignore")
    task = json.loads(Path((arguments or sys.argv[1:])[0]).read_text())
    register()
    words = [f"dataset=trojai_r{task['round']}", "dataset.root=.", *task["overrides"]]
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("config", overrides=words)
    record = scan_one(Path(task["model"]), Path(task["examples"]), config)
    reason = record.error_line
    if record.verdict is Verdict.INCONCLUSIVE:
        reason = record.warnings[-1] if record.warnings else "inconclusive"
    answer = {
        "probability": record.probability,
        "verdict": str(record.verdict),
        "reason": reason,
        "warnings": record.warnings,
    }
    place = Path(task["answer"])
    draft = place.with_suffix(".tmp")
    draft.write_text(json.dumps(answer))
    draft.replace(place)


if __name__ == "__main__":
    main()
