"""The task that fits a scanner's classifier of classifiers on a zoo with known truth."""

import logging
from importlib.metadata import version
from typing import cast

import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from exray.app.config import ScanSettings, built
from exray.app.finished import Finished
from exray.app.scan_cache import code_hash
from exray.app.usable_samples import usable_samples
from exray.scanners.scanner import Scanner
from exray.scanners.set_classifier import FitSettings, fitted, write_set_classifier
from exray.scanners.sri_cls import SriCls
from exray.zoo.source import Source

logger = logging.getLogger(__name__)


def fit(config: DictConfig, cell: str = "") -> Finished:
    """Fits ``scanner.classifier`` on the dataset's classifiers, and prints how it does on unseen.

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
    source = built(config.dataset, Source)
    ids, features, truths = _examples(source, scanner, built(config.scan, ScanSettings))
    sets = [torch.stack(each) for each in zip(*features, strict=True)]
    is_trojaned = torch.tensor(truths)
    model, unseen = fitted(sets, is_trojaned, settings)
    provenance = {
        "zoo": source.name,
        "zoo_sha256": source.fingerprint(),
        "half": OmegaConf.select(config, "dataset.half"),
        "model_ids": ids,
        "seed": config.seed,
        "shapes": cast("list[object]", OmegaConf.to_container(config.scanner.search.engine.shapes)),
        "exray_version": version("exray"),
        "code_sha256": code_hash(),
    }
    write_set_classifier(scanner.path, model, provenance, settings)
    right = (unseen > 0) == is_trojaned
    losses = torch.nn.functional.binary_cross_entropy_with_logits(unseen, is_trojaned.float())
    told = (
        f"{scanner.path}: fitted on {len(ids)} classifiers; unseen ones by {settings.folds} folds: "
        f"accuracy {float(right.float().mean()):.3f}, cross-entropy {float(losses):.3f}"
    )
    Console(stderr=True).print(told, highlight=False, soft_wrap=True)
    probabilities = torch.sigmoid(unseen).tolist()
    lines = [
        f"{model_id}\t{'trojaned' if truth else 'clean'}\t{probability:.4f}"
        for model_id, truth, probability in zip(ids, truths, probabilities, strict=True)
    ]
    return Finished(lines=tuple(lines), status=0)


def _examples(
    source: Source, scanner: SriCls, settings: ScanSettings
) -> tuple[list[str], list[tuple[torch.Tensor, ...]], list[bool]]:
    """Ids, features and truth of the classifiers that can be searched."""
    ids, features, truths = [], [], []
    for model_id in source.model_ids():
        truth = source.truth(model_id)
        if "is_trojaned" not in truth:
            raise ValueError(f"the truth of {model_id} is not known; a fit needs that of all")
        if truth.get("reserved"):
            raise ValueError(f"{source.name} is kept for reporting; fit on another zoo")
        model = source.load(model_id)
        samples, _, _ = usable_samples(model.classifier, model.samples, settings)
        if samples is None:
            logger.warning("%s is left out: it has no usable samples", model_id)
            continue
        ids.append(model_id)
        features.append(scanner.features(model.classifier, samples))
        truths.append(bool(truth["is_trojaned"]))
        logger.info("%s searched", model_id)
    if len({tuple(each.shape for each in one) for one in features}) > 1:
        raise ValueError("a fit needs classifiers of one class count; choose one zoo")
    return ids, features, truths
