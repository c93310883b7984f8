"""Whether a model's verdict depends on the seed: stored runs of several seeds, judged alike.

    python benchmarks/seeds.py results A_seed0,B_seed0 A_seed1,B_seed1 A_seed2,B_seed2

Each argument after the folder is one seed: its runs of ``judge=exray`` (``scanner=portfolio``),
which store every measurement. Prints how many of the models that all seeds have are flagged by all
or by none, how far their probabilities lie apart, and the models of which verdicts differ.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from exray.evaluation.rejudging.calibration_choice import CalibratedRejudgement
from exray.results.collection import collect
from exray.results.store import ResultStore


def probabilities(
    results: Path, runs: Sequence[str], rejudgement: CalibratedRejudgement
) -> pd.DataFrame:
    """Of each model of some runs whether it is flagged, and its probability."""
    parts = []
    for run in runs:
        collection = collect(ResultStore(results / run))
        if collection.frame.empty:
            raise SystemExit(f"{results / run} holds no records; scan first, or name another run")
        predictions = rejudgement.predictions(collection.frame, collection.triggers)[1]
        families = collection.frame.set_index("model_id")["dataset"]
        ids = list(predictions.model_ids)
        columns = {"flagged": predictions.flagged, "probability": predictions.probability}
        parts.append(pd.DataFrame(columns, index=[f"{families[own]}/{own}" for own in ids]))
    return pd.concat(parts)


def main() -> None:
    """Prints the agreement."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("seeds", nargs="+", help="runs of one seed each, joined by commas")
    parser.add_argument("--calibration", default="portfolio", help="a shipped one, or a file")
    given = parser.parse_args()
    if len(given.seeds) < 2:
        parser.error(f"seeds must be two or more; got {given.seeds[0]}")
    rejudgement = CalibratedRejudgement(name="calibrated", file=given.calibration)
    frames = [
        probabilities(given.results, seed.split(","), rejudgement).add_suffix(f"_{place}")
        for place, seed in enumerate(given.seeds)
    ]
    together = pd.concat(frames, axis=1, join="inner")
    if together.empty:
        parser.error("the seeds have no model in common")
    flagged = together.filter(like="flagged").astype(bool)
    values = together.filter(like="probability").astype(float)
    equal = flagged.nunique(axis=1) == 1
    apart = values.max(axis=1) - values.min(axis=1)
    one = f"{int(equal.sum())} of {len(together)} models have one verdict"
    print(f"{one} with all {len(frames)} seeds")
    print(
        f"probabilities apart: median {apart.median():.3f}, 90 % of them {apart.quantile(0.9):.3f}"
    )
    for model, row in values[~equal].iterrows():
        print(f"- {model}: {', '.join(f'{value:.2f}' for value in row)}")


if __name__ == "__main__":
    main()
