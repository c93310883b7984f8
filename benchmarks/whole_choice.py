"""How good a calibration is whose whole choice, not its fit alone, did not see the models judged.

    python benchmarks/whole_choice.py results RUN RUN RUN --further RUN RUN

The runs are tuning runs of ``judge=exray`` (``scanner=portfolio``). Their models are cut in three,
each reach alike; features, penalty, threshold and weights are chosen as ``rejudge=portfolio`` does
on two parts, and the third is judged. Models of further runs are only chosen on. Prints figures.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from hydra import compose, initialize_config_dir
from reporting_half import table

from exray.app.config import register
from exray.app.instantiate import built
from exray.evaluation.metrics import statistics
from exray.evaluation.predictions import Predictions
from exray.evaluation.rejudging.calibration_choice import CalibratedRejudgement
from exray.evaluation.rejudging.threshold_choice import Choice
from exray.presets import conf_folder
from exray.results.collection import Collection, collect, merged
from exray.results.store import ResultStore

PARTS = 3


def parts_of(reaches: "pd.Series[str]", seed: int) -> np.ndarray:
    """The part of each model; the models of a reach are dealt out in a random order."""
    order = pd.Series(np.random.default_rng(seed).permutation(len(reaches)), index=reaches.index)
    return (order.groupby(reaches).rank().to_numpy().astype(int) - 1) % PARTS


def judged(chooser: Choice, fitted: Collection, frame: pd.DataFrame) -> Predictions:
    """What is said of some models by a choice on others."""
    triggers = fitted.triggers
    known = frame["model_id"]
    others = fitted.frame[~fitted.frame["model_id"].isin(known)].reset_index(drop=True)
    seen = triggers[~triggers["model_id"].isin(known)].reset_index(drop=True)
    content = chooser.choose(others, seen).content
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "choice.json"
        path.write_text(json.dumps({**content, "provenance": {}}), encoding="utf-8")
        rejudgement = CalibratedRejudgement(name="calibrated", file=str(path))
        own = triggers[triggers["model_id"].isin(known)].reset_index(drop=True)
        return rejudgement.predictions(frame.reset_index(drop=True), own)[1]


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("runs", nargs="+", help="folders of judge=exray under it")
    parser.add_argument("--further", nargs="*", default=[], help="runs that are only chosen on")
    parser.add_argument("--choice", default="portfolio", help="of conf/rejudge")
    parser.add_argument("--change", nargs="*", default=[], help="settings of the choice")
    parser.add_argument("--seed", type=int, default=0, help="of the cut")
    given = parser.parse_args()
    register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("config", overrides=[f"rejudge={given.choice}", *given.change])
    chooser = built(config.rejudge, Choice)
    names = [*given.runs, *given.further]
    collections = {name: collect(ResultStore(given.results / name)) for name in names}
    for name, collection in collections.items():
        if collection.frame.empty:
            parser.error(f"{given.results / name} holds no records; scan first")
    together = merged(collections)
    run_of = together.frame["model_id"].str.partition("/")[0]
    usual = together.frame[run_of.isin(given.runs)].reset_index(drop=True)
    parts = parts_of(usual["trigger_reach"].fillna("").astype(str), given.seed)
    said = [judged(chooser, together, usual[parts == part]) for part in range(PARTS)]
    whole = Predictions(
        name="chosen without them",
        model_ids=tuple(one for each in said for one in each.model_ids),
        is_trojaned=np.concatenate([each.is_trojaned for each in said]),
        flagged=np.concatenate([each.flagged for each in said]),
        probability=np.concatenate([each.probability for each in said]),
    )
    table(f"{len(whole)} models", iter([statistics(whole)]))


if __name__ == "__main__":
    main()
