"""Adds to a stored run's triggers what the judge has learned to measure on the network since.

    python benchmarks/remeasured.py results/RUN dataset=zoos_glyphs dataset.root=D

The words choose the dataset of the run, as they did when it was scanned. Nothing is scanned or
differenced anew: the traces of the training (``target_weight``, ``heaviest_class``,
``target_rise``, ``hidden_variance``) follow from the network, its clean images and the target of a
trigger alone. Run it on a copy to keep the former.
"""

import argparse
import json
from pathlib import Path

from hydra import compose, initialize_config_dir

from exray.app.config import register
from exray.app.instantiate import built
from exray.datasets.base import ModelDataset
from exray.judges.differencing.training_traces import training_traces
from exray.pipeline.preparation import prepare
from exray.pipeline.settings import ScanSettings
from exray.presets import conf_folder
from exray.storage.atomic_files import replace_file

TRIGGERS = "triggers.jsonl"


def with_traces(
    lines: list[str], source: ModelDataset, settings: ScanSettings, model_id: str
) -> list[str]:
    """A model's stored triggers, those that were differenced with the training's traces."""
    triggers = [json.loads(line) for line in lines]
    judged = [one for one in triggers if "confidence_shift" in one["measurements"]]
    if judged:
        loaded = source.load(model_id)
        prepared = prepare(loaded.classifier, loaded.samples, settings)
        samples = prepared.selection.samples
        assert samples is not None, f"{model_id} is inconclusive, but has judged triggers"
        found = training_traces(
            prepared.classifier, samples, [one["target_class"] for one in judged]
        )
        for one, traces in zip(judged, found, strict=True):
            one["measurements"] = dict(sorted({**one["measurements"], **traces}.items()))
    return [json.dumps(one) for one in triggers]


def main() -> None:
    """Rewrites the triggers of each model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("run", type=Path, help="a run's folder, or a sweep's cell")
    parser.add_argument("words", nargs="+", help="the dataset, as for run.py")
    arguments = parser.parse_args()
    register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("config", overrides=arguments.words)
    source, settings = built(config.dataset, ModelDataset), built(config.scan, ScanSettings)
    count = 0
    for model_id in source.model_ids():
        path = arguments.run / model_id / TRIGGERS
        if not path.exists():
            continue
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
        text = "".join(f"{line}\n" for line in with_traces(lines, source, settings, model_id))
        replace_file(path, text.encode())
        count += 1
    if not count:
        parser.error(f"{arguments.run} holds no model of {config.dataset.name} with {TRIGGERS}")
    print(f"{arguments.run}: {count} models")


if __name__ == "__main__":
    main()
