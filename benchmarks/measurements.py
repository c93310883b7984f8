"""How well each measurement alone tells injected triggers from natural ones, group by group.

    python benchmarks/measurements.py results RUN RUN RUN

The runs are tuning runs of ``judge=exray`` (``scanner=portfolio``). Injected are the true pairs'
triggers whose search can express what was injected, natural those of clean models, as in
``rejudge=portfolio``. Prints Markdown: a table for each of its groups, a row for each measurement,
with its ROC-AUC over all runs and over each family (below 0.5: low values speak for injected).
"""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from hydra import compose, initialize_config_dir
from jaxtyping import Bool, Float
from numpy import ndarray
from sklearn.metrics import roc_auc_score

from exray.app.config import register
from exray.app.instantiate import built
from exray.evaluation.rejudging.grouped_choice import GroupedCalibrationChoice
from exray.evaluation.rejudging.grouped_examples import GroupedExamples, grouped_examples
from exray.presets import conf_folder
from exray.results.collection import collect
from exray.results.store import ResultStore
from exray.rules.evidence import WORDS

FEWEST = 5  # triggers of either kind from which a ROC-AUC is given


def auc(values: Float[ndarray, " t"], labels: Bool[ndarray, " t"]) -> float:
    """ROC-AUC of the values that there are; nan of too few."""
    known = np.isfinite(values)
    if min((labels & known).sum(), (~labels & known).sum()) < FEWEST:
        return float("nan")
    return float(roc_auc_score(labels[known], values[known]))


def joined(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The rows of several runs, their models named with the run."""
    own = [
        frame.assign(model_id=f"{name}/" + frame["model_id"].astype(str))
        for name, frame in frames.items()
    ]
    return pd.concat(own, ignore_index=True)


def rows_of(examples: GroupedExamples, group: int, families: list[str]) -> pd.DataFrame:
    """A group's measurements, those that tell most first."""
    own = (examples.group == group) & (examples.label >= 0)
    labels = examples.label[own] == 1
    family = np.array(examples.traits["family"])[examples.owner[own]]
    rows = []
    for name, column in examples.columns.items():
        values = column[own]
        by_family = {one: auc(values[family == one], labels[family == one]) for one in families}
        rows.append({"measurement": name, "all": auc(values, labels), **by_family})
    table = pd.DataFrame(rows).dropna(subset=["all"])
    return table.sort_values("all", key=lambda column: -(column - 0.5).abs())


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("runs", nargs="+", help="folders of judge=exray under it")
    given = parser.parse_args()
    register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("config", overrides=["rejudge=portfolio"])
    choice = built(config.rejudge, GroupedCalibrationChoice)
    collections = [collect(ResultStore(given.results / name)) for name in given.runs]
    empty = [n for n, one in zip(given.runs, collections, strict=True) if one.frame.empty]
    if empty:
        parser.error(f"{given.results}/{empty[0]} holds no records of a run")
    records = joined({n: one.frame for n, one in zip(given.runs, collections, strict=True)})
    triggers = joined({n: one.triggers for n, one in zip(given.runs, collections, strict=True)})
    groups = [replace(group, sets=(tuple(WORDS),)) for group in choice.groups]
    examples = grouped_examples(
        records, triggers, groups, expresses=choice.expresses, families=choice.families
    )
    families = sorted(set(examples.traits["family"]))
    for place, group in enumerate(groups):
        own = examples.label[examples.group == place]
        print(f"\n{group.name}: {(own == 1).sum()} injected, {(own == 0).sum()} natural\n")
        print(f"| measurement | all | {' | '.join(families)} |")
        print("|---" * (2 + len(families)) + "|")
        for name, *values in rows_of(examples, place, families).itertuples(index=False):
            print(f"| `{name}` | {' | '.join(f'{value:.2f}' for value in values)} |")


if __name__ == "__main__":
    main()
