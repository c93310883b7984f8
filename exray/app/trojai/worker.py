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
from exray.datasets.preprocess import FolderPreprocess
from exray.datasets.trojai.model import load_trojai_model
from exray.judges.base import Judge
from exray.pipeline.classifier_scan import ClassifierScan
from exray.pipeline.scan import scan_classifier
from exray.pipeline.settings import ScanSettings
from exray.presets import conf_folder
from exray.rules.verdict import UNDECIDED, Verdict
from exray.scanners.base import Scanner
from exray.storage.atomic_files import write_json

_ON_CPU = (
    "without a GPU patches of one colour are looked for alone, to be done in time; "
    "scanner=portfolio looks for every kind of trigger"
)


def scan_one(model: Path, examples: Path, config: DictConfig) -> ClassifierScan:
    """The scan of one model under a configuration.

    Args:
        model: ``model.pt``.
        examples: Its clean examples.
        config: Composed with a round's dataset, of which the preprocessing is used.

    Raises:
        CheckpointError: If the file holds no network.
        ValueError: If the configuration cannot be built, or model and examples do not fit.
    """
    scanner = built(config.scanner.engine, Scanner)
    judge = built(config.judge.engine, Judge).for_scanner(config.scanner.name)
    settings = built(config.scan, ScanSettings)
    preprocess = built(config.dataset.preprocess, FolderPreprocess)
    limit = config.dataset.limit_per_class
    loaded = load_trojai_model(model, examples, preprocess, limit_per_class=limit)
    loaded.classifier.network.to(device_of(config.trainer.accelerator))
    return scan_classifier(
        loaded.classifier,
        loaded.samples,
        scanner,
        judge,
        settings,
        warnings=loaded.warnings,
        seed=config.seed,
    )


def reply(
    model: Path, examples: Path, config: DictConfig, notes: Sequence[str] = ()
) -> dict[str, object]:
    """What :mod:`exray.app.trojai.command` reads: probability, verdict, reason and warnings.

    Args:
        model: ``model.pt``.
        examples: Its clean examples.
        config: Composed with a round's dataset.
        notes: What is to be said beside the scan's warnings.
    """
    try:
        scan = scan_one(model, examples, config)
    except Exception as error:  # a reply is owed, whatever went wrong
        reason = " ".join(str(error).split()) or type(error).__name__
        verdict = Verdict.FAILED.value
        return {
            "probability": UNDECIDED,
            "verdict": verdict,
            "reason": reason,
            "warnings": [*notes],
        }
    is_inconclusive = scan.verdict is Verdict.INCONCLUSIVE
    return {
        "probability": scan.probability,
        "verdict": scan.verdict.value,
        "reason": scan.warnings[-1] if is_inconclusive else "",
        "warnings": [*notes, *scan.warnings],
    }


def composed(number: int, overrides: Sequence[str]) -> tuple[DictConfig, list[str]]:
    """The configuration of a round's scan, and what is to be said of it.

    A round is searched for every kind of trigger, which without a GPU takes longer than rounds
    allow; there patches are looked for alone, unless the overrides name a scanner.

    Args:
        number: Of the round.
        overrides: The user's.
    """
    round_words = [f"dataset=trojai_r{number}", "dataset.root=."]
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("config", overrides=[*round_words, *overrides])
        is_chosen = any(word.lstrip("+~").startswith("scanner") for word in overrides)
        if is_chosen or device_of(config.trainer.accelerator).type != "cpu":
            return config, []
        return compose("config", overrides=[*round_words, "scanner=abs", *overrides]), [_ON_CPU]


def main(arguments: Sequence[str] | None = None) -> None:
    """Scans what a task file describes and writes the answer where that says.

    Args:
        arguments: The task file, as :mod:`exray.app.trojai.command` writes it.
    """
    warnings.simplefilter("ignore")
    task = json.loads(Path((arguments or sys.argv[1:])[0]).read_text())
    register()
    config, notes = composed(task["round"], task["overrides"])
    answer = reply(Path(task["model"]), Path(task["examples"]), config, notes)
    write_json(Path(task["answer"]), answer)


if __name__ == "__main__":
    main()
