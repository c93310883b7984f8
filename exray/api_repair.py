"""Repair as a library function: a classifier and clean images in, a repaired one with its facts."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import pandas as pd
import torch
from torch import nn

from exray.api_inputs import FileOptions, given_model, moved, scan_parts
from exray.judges.base import Judge
from exray.models.classifier import Classifier, Preprocessing
from exray.pipeline.provenance import path_sha256
from exray.pipeline.scan import scan_classifier
from exray.pipeline.settings import ScanSettings
from exray.presets.instantiate import component
from exray.presets.presets import component_named, option_values
from exray.repair.base import RepairMethod
from exray.repair.loop import Repair, repair_in_rounds
from exray.repair.output import check_output, write_weights
from exray.repair.recording import provenance, unlearned_records
from exray.repair.settings import RepairSettings
from exray.results.repairs import UnlearnedRecord
from exray.rules.verdict import Verdict
from exray.scanners.base import Progress, Scanner

__all__ = ["RepairReport", "repair_classifier"]


@dataclass(frozen=True, kw_only=True, eq=False)
class RepairReport:
    """What a repair did to one classifier.

    Args:
        repair: The repair, with its scans before and after and after each round.
        origin: Where the weights come from and how they were changed, plain values.
    """

    repair: Repair
    origin: Mapping[str, object]

    @property
    def classifier(self) -> Classifier:
        """The repaired one; the caller's own is left as it was."""
        return self.repair.after.classifier

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Why the result is not good enough, one sentence each; none where it is."""
        return self.repair.obstacles

    @property
    def is_good(self) -> bool:
        """Whether accuracy held and the scan no longer says trojaned."""
        return not self.obstacles

    @property
    def verdicts(self) -> tuple[Verdict, Verdict]:
        """Before and after."""
        return self.repair.before.scan.verdict, self.repair.after.scan.verdict

    @property
    def accuracies(self) -> tuple[float, float]:
        """On held-out images before and after, fractions."""
        return self.repair.before.accuracy, self.repair.after.accuracy

    @property
    def unlearned(self) -> list[UnlearnedRecord]:
        """The unlearned triggers with their ASR on held-out images before and after."""
        return unlearned_records(self.repair, None)

    def to_frame(self) -> pd.DataFrame:
        """One row per unlearned trigger."""
        return pd.DataFrame([vars(record) for record in self.unlearned])

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Writes the repaired weights, with where they come from, as a new safetensors file.

        Args:
            path: A file that does not exist.
            force: Whether weights are written that are not good enough; the file says so.

        Returns:
            The file.

        Raises:
            ValueError: If the file exists or is of another kind, or the weights are not good
                enough.
        """
        place = Path(path)
        check_output(place, "path")
        if self.obstacles and not force:
            raise ValueError(
                f"not written, since {'; '.join(self.obstacles)}; force=True writes it all the "
                "same, and the file says so"
            )
        values = {
            **self.origin,
            "forced": bool(self.obstacles),
            **provenance(self.repair, self.unlearned),
        }
        write_weights(self.classifier, place, values, self.repair.images.held_out.images)
        return place

    def __str__(self) -> str:
        (before, after), (accurate, still) = self.verdicts, self.accuracies
        said = "good" if self.is_good else f"not good enough: {'; '.join(self.obstacles)}"
        return f"{before} > {after}, accuracy {accurate:.3f} > {still:.3f}, {said}"


def repair_classifier(
    classifier: Classifier | nn.Module | str | Path,
    samples: object,
    *,
    method: str | RepairMethod = "unlearning",
    scanner: str | Scanner = "portfolio",
    judge: str | Judge = "exray_calibrated",
    layer: str = "middle",
    settings: RepairSettings | None = None,
    scan_settings: ScanSettings | None = None,
    preprocessing: Preprocessing | None = None,
    options: FileOptions | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    progress: Progress | None = None,
) -> RepairReport:
    """Scans a copy of a classifier, unlearns the inverted triggers, and scans again.

    The defaults are those of the command ``exray repair``. Nothing is written to disk.

    Args:
        classifier: As for :func:`exray.scan`; the caller's own is left as it is.
        samples: Likewise, of every class with true labels, ten different images at least. Part of
            them is held out, and nothing is learned from it.
        method: Its name in ``conf/repair``, or a method.
        scanner: Its name in ``conf/scanner``, or what :func:`exray.make_scanner` made.
        judge: Its name in ``conf/judge``, or what :func:`exray.make_judge` made.
        layer: Where judge and scanner cut the network, if they are named.
        settings: Rounds, bars and which triggers; None for those of ``conf/repair``.
        scan_settings: Minimum accuracies and sample counts; None for those of ``conf/scan``.
        preprocessing: What happens to images before a network in memory or in a file.
        options: How files are read, as the flags of the command say it.
        seed: Of all random choices.
        device: Where to work; None stays where the network is.
        progress: Called with the stage's name, the steps done and the steps in all.

    Raises:
        NothingToRepairError: A ``ValueError``; if the scan finds no trigger to unlearn. Its
            ``scan`` is the scan.
        ValueError: If there are too few images, the network is in a form for evaluation alone, or
            a name or value is not known.
    """
    model = given_model(classifier, samples, preprocessing, options)
    own_scanner, own_judge = scan_parts(scanner, judge, layer=layer, seed=seed)
    own_method, own_settings = _repair_parts(method, settings)
    scan = partial(
        scan_classifier,
        scanner=own_scanner,
        judge=own_judge,
        settings=scan_settings or cast(ScanSettings, component_named("scan", "default")),
        warnings=model.warnings,
        seed=seed,
        progress=progress,
    )
    with moved(model.classifier, device):
        result = repair_in_rounds(
            model.classifier,
            model.samples.to(model.classifier.device),
            own_method,
            own_settings,
            scan,
            seed=seed,
            progress=progress,
        )
    how = {"method": str(own_method), "settings": str(own_settings), "seed": seed}
    return RepairReport(repair=result, origin={**how, **_source(classifier)})


def _source(classifier: Classifier | nn.Module | str | Path) -> dict[str, object]:
    """The file that the weights come from; nothing of a network in memory."""
    if not isinstance(classifier, str | Path):
        return {}
    file = Path(classifier)
    return {"from_file": file.name, "from_sha256": path_sha256(file)}


def _repair_parts(
    method: str | RepairMethod, settings: RepairSettings | None
) -> tuple[RepairMethod, RepairSettings]:
    """The method, and the settings given or else those beside it in ``conf/repair``."""
    name = method if isinstance(method, str) else "unlearning"
    values = option_values("repair", name)
    if isinstance(method, str):
        method = cast(RepairMethod, component(_mapping(values["method"]), name))
    if settings is None:
        settings = cast(RepairSettings, component(_mapping(values["settings"]), name))
    return method, settings


def _mapping(values: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", values)
