"""The task that fits SRI-CLS's logistic regression on a zoo with known ground truth."""

import logging
from collections import Counter
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Float
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from exray.app.instantiate import built
from exray.app.task_result import TaskResult
from exray.datasets.base import ModelDataset
from exray.evaluation.metrics import scores
from exray.evaluation.predictions import Predictions
from exray.pipeline.code_hash import code_hash
from exray.pipeline.feature_cache import FeatureCache
from exray.pipeline.model_selection import of_kinds
from exray.pipeline.preparation import prepare
from exray.pipeline.settings import ScanSettings
from exray.presets.instantiate import keyed_errors
from exray.scanners.base import Scanner
from exray.scanners.sri.logistic_fit import FitSettings, fit_trojan_probability
from exray.scanners.sri.sri_cls import SriCls

logger = logging.getLogger(__name__)

_FIGURES = ("balanced accuracy", "ROC-AUC", "cross-entropy")  # of unseen classifiers
_TROJANED = 0.5  # probability


def fit(config: DictConfig, cell: str = "") -> TaskResult:
    """Fits ``scanner.classifier`` on the dataset's classifiers, and prints scores of unseen ones.

    Args:
        config: The composed configuration.
        cell: Not used.

    Raises:
        ValueError: If the scanner has nothing to fit, or the truth of a classifier is not known.
    """
    del cell
    scanner = built(config.scanner.engine, Scanner)
    if not isinstance(scanner, SriCls):
        raise ValueError(f"scanner={config.scanner.name} has nothing to fit; try scanner=sri_cls")
    settings = built(config.scanner.fit, FitSettings)
    source = built(config.dataset, ModelDataset)
    with keyed_errors("dataset", ("architecture", "factory", "root", "where")):
        source.check()
    ids, log_anomalies, kinds = _examples(source, scanner, config)
    is_trojaned = np.array([kind != "clean" for kind in kinds])
    result = fit_trojan_probability(np.array(log_anomalies), is_trojaned, settings)
    left_out = {
        kind: _left_out(ids, kinds, result.unseen_probabilities, kind)
        for kind in ("all", *sorted(set(kinds)))
        if kind != "clean"
    }
    provenance = _provenance(config, source) | {
        "model_ids": ids,
        "num_models": len(ids),
        "trigger_kinds": dict(Counter(kinds)),
        "left_out": left_out,
        "fit": asdict(settings),
    }
    replace(result.model, provenance=provenance).write(scanner.path)
    messages = [
        f"{scanner.path}: fitted on {len(ids)} classifiers; left out, by {settings.folds} folds:"
    ]
    for kind, figures in left_out.items():
        text = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
        messages.append(f"{kind} against clean: {text}")
    Console(stderr=True).print("\n".join(messages), highlight=False, soft_wrap=True)
    means = result.unseen_probabilities.mean(axis=0).tolist()
    rows = zip(ids, kinds, means, strict=True)
    lines = tuple(f"{model_id}\t{kind}\t{mean:.4f}" for model_id, kind, mean in rows)
    return TaskResult(lines=lines, status=0)


def _examples(
    source: ModelDataset, scanner: SriCls, config: DictConfig
) -> tuple[list[str], list[float], list[str]]:
    """Ids, log anomaly scores and kinds of trigger of the classifiers that can be searched."""
    settings = built(config.scan, ScanSettings)
    search = OmegaConf.to_container(config.scanner.search, resolve=True)
    root = None if config.paths.scans is None else Path(config.paths.scans) / "features"
    cache = FeatureCache(root, search=search, seed=config.seed)
    ids, log_anomalies, kinds = [], [], []
    for model_id in of_kinds(source, config.kinds):
        truth = source.truth(model_id)
        if truth is None:
            raise ValueError(f"the truth of {model_id} is not known; a fit needs that of all")
        if truth.details.get("reserved"):
            raise ValueError(f"{source.name} is kept for reporting; fit on another zoo")
        model = source.load(model_id)
        prepared = prepare(model.classifier, model.samples, settings)
        samples = prepared.selection.samples
        if samples is None:
            logger.warning("%s is left out: it has no usable samples", model_id)
            continue
        ids.append(model_id)
        log_anomalies.append(cache.log_anomaly(scanner, prepared.classifier, samples))
        kinds.append((truth.kind or "trojaned") if truth.is_trojaned else "clean")
        logger.info("%s searched", model_id)
    return ids, log_anomalies, kinds


def _left_out(
    ids: list[str], kinds: list[str], probabilities: Float[np.ndarray, "repeats n"], kind: str
) -> dict[str, float]:
    """Figures of unseen classifiers of one kind against clean ones, averaged over repeats."""
    rows = [row for row, own in enumerate(kinds) if own in ("clean", kind) or kind == "all"]
    figures = [
        scores(_predictions([ids[row] for row in rows], [kinds[row] for row in rows], repeat[rows]))
        for repeat in probabilities
    ]
    means = {name: np.mean([scored[name] for scored in figures]) for name in _FIGURES}
    return {name: round(float(mean), 4) for name, mean in means.items()}


def _predictions(
    ids: list[str], kinds: list[str], probability: Float[np.ndarray, " n"]
) -> Predictions:
    return Predictions(
        name="left out",
        model_ids=tuple(ids),
        is_trojaned=np.array([kind != "clean" for kind in kinds]),
        flagged=probability >= _TROJANED,
        probability=probability,
    )


def _provenance(config: DictConfig, source: ModelDataset) -> dict[str, object]:
    """The data and code of a fit."""
    return {
        "zoo": source.name,
        "zoo_sha256": source.fingerprint(),
        "zoo_seed": OmegaConf.select(config, "dataset.recipe.seed"),
        "half": OmegaConf.select(config, "dataset.half"),
        "kinds": None if config.kinds is None else list(config.kinds),
        "seed": config.seed,
        "shapes": cast("list[object]", OmegaConf.to_container(config.scanner.search.engine.shapes)),
        "exray_version": version("exray"),
        "code_sha256": code_hash(),
        "command": _command(config, source.name),
    }


def _command(config: DictConfig, zoo: str) -> str:
    """The command line, without this machine's folders; the settings are stored beside it."""
    words = ["task=fit", f"dataset={zoo}", "dataset.root=ZOO", f"scanner={config.scanner.name}"]
    if config.kinds is not None:
        words.append(f"kinds=[{','.join(config.kinds)}]")
    return " ".join(["python run.py", *words, "scanner.classifier=FILE"])
