"""Adds to a stored run's triggers what the judge has learned to measure on the last layer since.

    python benchmarks/remeasured.py results/RUN dataset=zoos_glyphs dataset.root=D

The words choose the dataset of the run, as they did when it was scanned. Nothing is scanned or
differenced anew: ``target_weight`` and ``heaviest_class`` follow from the weights and a trigger's
target alone. Triggers that have them are left as they are; run it on a copy to keep the former.
"""

import argparse
import json
from pathlib import Path

from hydra import compose, initialize_config_dir

from exray.app.config import register
from exray.app.instantiate import built
from exray.datasets.base import ModelDataset
from exray.judges.differencing.weight_evidence import weight_evidence
from exray.presets import conf_folder
from exray.storage.atomic_files import replace_file

TRIGGERS = "triggers.jsonl"


def with_weights(lines: list[str], source: ModelDataset, model_id: str) -> list[str]:
    """A model's stored triggers, those that were differenced with their weights."""
    triggers = [json.loads(line) for line in lines]
    judged = [one for one in triggers if "confidence_shift" in one["measurements"]]
    if judged:
        loaded = source.load(model_id)
        targets = [one["target_class"] for one in judged]
        found = weight_evidence(loaded.classifier, loaded.samples.images, targets)
        for one, weights in zip(judged, found, strict=True):
            one["measurements"] = dict(sorted({**weights, **one["measurements"]}.items()))
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
    source = built(config.dataset, ModelDataset)
    count = 0
    for model_id in source.model_ids():
        path = arguments.run / model_id / TRIGGERS
        if not path.exists():
            continue
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
        text = "".join(f"{line}\n" for line in with_weights(lines, source, model_id))
        replace_file(path, text.encode())
        count += 1
    print(f"{arguments.run}: {count} models")


if __name__ == "__main__":
    main()
