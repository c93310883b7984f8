"""Adds to a stored run's triggers what the judge has learned to measure on the network since.

    python benchmarks/remeasured.py results/RUN --scans results/scans dataset=zoos_signs

The words choose the dataset of the run, as they did when it was scanned. Nothing is scanned or
differenced anew: the traces of the training (``target_weight``, ``heaviest_class``,
``target_rise``, ``hidden_variance``, ``greatest_share``, ``stamped_gain``, ``stamped_share``)
follow from the network, its clean images and the triggers, which are read from the scanners'
cache. Run it on a copy to keep the former.
"""

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir

from exray.app.config import register
from exray.app.instantiate import built
from exray.datasets.base import ModelDataset
from exray.judges.differencing.training_traces import training_traces
from exray.pipeline.preparation import prepare
from exray.pipeline.scan_cache import SCAN_FILE, read_scan
from exray.pipeline.settings import ScanSettings
from exray.presets import conf_folder
from exray.storage.atomic_files import replace_file
from exray.triggers.base import InvertedTrigger

TRIGGERS = "triggers.jsonl"
Key = tuple[object, ...]


class CachedTriggers:
    """The triggers of scanners' caches, found by what a record says of them.

    Args:
        folders: Caches of scans.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._places: dict[Key, tuple[Path, int]] = {}
        self._read: tuple[Path, tuple[InvertedTrigger, ...]] | None = None
        for path in sorted(file for folder in folders for file in folder.glob(f"*/{SCAN_FILE}")):
            stored = json.loads(path.read_text(encoding="utf-8"))["result"]["triggers"]
            for index, one in enumerate(stored):
                self._places.setdefault(_key(one), (path.parent, index))

    def __getitem__(self, row: Mapping[str, Any]) -> InvertedTrigger:
        """The trigger of a record's row.

        Raises:
            KeyError: If no cache holds it.
        """
        place, index = self._places[_key(row)]
        if self._read is None or self._read[0] != place:
            cached = read_scan(place, torch.device("cpu"))
            if cached is None:
                raise KeyError(place)
            self._read = place, cached.result.triggers
        return self._read[1][index]


def _key(row: Mapping[str, Any]) -> Key:
    """What tells a trigger from others: from where to where, by what, and how well."""
    strength = row["measurements"].get("strength", 0.0)
    numbers = [row["asr"], row["target_probability"], strength]
    words = row["victim_class"], row["target_class"], row["source"]
    return (*words, *(round(number, 6) for number in numbers))


def with_traces(
    lines: list[str],
    source: ModelDataset,
    settings: ScanSettings,
    model_id: str,
    cached: CachedTriggers,
) -> list[str]:
    """A model's stored triggers, those that were differenced with the training's traces."""
    triggers = [json.loads(line) for line in lines]
    judged = [one for one in triggers if "confidence_shift" in one["measurements"]]
    if judged:
        loaded = source.load(model_id)
        prepared = prepare(loaded.classifier, loaded.samples, settings)
        samples = prepared.selection.samples
        assert samples is not None, f"{model_id} is inconclusive, but has judged triggers"
        traces = training_traces(prepared.classifier, samples, [cached[one] for one in judged])
        for one, own in zip(judged, traces, strict=True):
            one["measurements"] = dict(sorted({**one["measurements"], **own}.items()))
    return [json.dumps(one) for one in triggers]


def main() -> None:
    """Rewrites the triggers of each model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("run", type=Path, help="a run's folder, or a sweep's cell")
    parser.add_argument("words", nargs="+", help="the dataset, as for run.py")
    parser.add_argument(
        "--scans",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="a cache of scans (paths.scans); more than once for several",
    )
    arguments = parser.parse_intermixed_args()
    register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("config", overrides=arguments.words)
    source, settings = built(config.dataset, ModelDataset), built(config.scan, ScanSettings)
    cached = CachedTriggers(arguments.scans)
    count = 0
    for model_id in source.model_ids():
        path = arguments.run / model_id / TRIGGERS
        if not path.exists():
            continue
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
        try:
            rows = with_traces(lines, source, settings, model_id, cached)
        except KeyError as error:
            parser.error(f"{model_id} has a trigger that no scan of --scans holds: {error}")
        replace_file(path, "".join(f"{line}\n" for line in rows).encode())
        count += 1
    if not count:
        parser.error(f"{arguments.run} holds no model of {config.dataset.name} with {TRIGGERS}")
    print(f"{arguments.run}: {count} models")


if __name__ == "__main__":
    main()
