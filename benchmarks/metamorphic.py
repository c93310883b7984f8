"""Same predictions, same verdict: a scan of every embedded model, plain and transformed.

Run: python benchmarks/metamorphic.py [--scanner abs] [--judge exray_calibrated] [--models 0 1]
[--transformations x10 "fp16 weights"]. Prints a row for each scan and a summary, and writes
benchmarks/results/metamorphic.json, which later runs of other models or transformations add to.
"""

import argparse
import inspect
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from rich.console import Console
from rich.table import Table
from same_predictions import TRANSFORMATIONS, Case, Input, of_entry, plain
from torch import nn

import exray
from exray.datasets.zoo import embedded_root, open_zoo

RESULTS = Path(__file__).parent / "results" / "metamorphic.json"
TOLERANCE = 0.05  # of the probability
PLAIN = "plain"


class Row(TypedDict):
    """One scan."""

    model: str
    transformation: str
    verdict: str
    probability: float
    num_triggers: int
    temperature: float
    predictions: bool
    seconds: float
    warnings: list[str]


def cases(numbers: Sequence[int]) -> dict[str, Case]:
    """The embedded zoo's models by their ids."""
    zoo = open_zoo(embedded_root("signs_mini"))
    ids = [zoo.model_ids()[number] for number in numbers]
    made = {}
    for model_id in ids:
        model = zoo.load(model_id)
        network = model.classifier.network
        assert isinstance(network, nn.Sequential)
        made[model_id] = of_entry(network, model.samples, zoo.manifest().entry(model_id))
    return made


def scanned(model: str, name: str, given: Input, scanner: str, judge: str, seed: int) -> Row:
    """One scan's row."""
    right = given.classifier.predict(given.samples.images).argmax(dim=1) == given.samples.labels
    start = time.perf_counter()
    report = exray.scan(given.classifier, given.samples, scanner=scanner, judge=judge, seed=seed)
    return Row(
        model=model,
        transformation=name,
        verdict=report.verdict.value,
        probability=round(report.probability, 4),
        num_triggers=len(report.triggers),
        temperature=report.record.temperature,
        predictions=bool(right.all()),
        seconds=round(time.perf_counter() - start, 1),
        warnings=list(report.remarks),
    )


def transformed(case: Case, name: str) -> Input | str:
    """A transformation's input, or why exray refuses it."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return TRANSFORMATIONS[name](case, Path(folder))
        except ValueError as error:
            return " ".join(str(error).replace(f"{folder}/", "").split())


def summary(rows: Sequence[Row]) -> Table:
    """How often verdict and probability stay, a row for each transformation.

    Args:
        rows: Of the same scanner and judge, the plain scans among them.
    """
    plain_rows = {row["model"]: row for row in rows if row["transformation"] == PLAIN}
    table = Table(title="Same predictions, same verdict")
    for name in ("transformation", "models", "verdict equal", f"|dp| <= {TOLERANCE:g}", "max |dp|"):
        table.add_column(name)
    names = dict.fromkeys(row["transformation"] for row in rows)
    for name in [name for name in names if name != PLAIN]:
        pairs = [
            (row, plain_rows[row["model"]])
            for row in rows
            if row["transformation"] == name and row["model"] in plain_rows
        ]
        changes = [abs(row["probability"] - other["probability"]) for row, other in pairs]
        equal = sum(row["verdict"] == other["verdict"] for row, other in pairs)
        close = sum(change <= TOLERANCE for change in changes)
        table.add_row(
            name, str(len(pairs)), str(equal), str(close), f"{max(changes, default=0):.3f}"
        )
    return table


def store(rows: Sequence[Row], key: str) -> list[Row]:
    """Adds rows to the results, in place of earlier ones of the same scan; all of the key's."""
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    known = {(row["model"], row["transformation"]): row for row in stored.get(key, [])}
    known |= {(row["model"], row["transformation"]): row for row in rows}
    stored[key] = list(known.values())
    RESULTS.write_text(json.dumps(stored, indent=1) + "\n")
    return list(known.values())


def arguments() -> argparse.Namespace:
    """The command line; scanner and judge are by default those of ``exray.scan``."""
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(exray.scan).parameters.items()
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scanner", default=defaults["scanner"])
    parser.add_argument("--judge", default=defaults["judge"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", type=int, nargs="+", default=list(range(8)))
    parser.add_argument(
        "--transformations",
        nargs="+",
        default=list(TRANSFORMATIONS),
        choices=list(TRANSFORMATIONS),
        metavar="NAME",
    )
    return parser.parse_args()


def main() -> None:
    """Scans, prints and writes."""
    words, console = arguments(), Console()
    key = f"{words.scanner}, {words.judge}, seed {words.seed}"
    rows: list[Row] = []
    for model_id, case in cases(words.models).items():
        for name in (PLAIN, *words.transformations):
            given = plain(case) if name == PLAIN else transformed(case, name)
            if isinstance(given, str):
                console.print(f"{model_id}  {name}: refused: {given}", highlight=False)
                continue
            row = scanned(model_id, name, given, words.scanner, words.judge, words.seed)
            rows = store([row], key)
            said = f"{row['verdict']} {row['probability']:.3f} ({row['num_triggers']} triggers)"
            console.print(f"{model_id}  {name}: {said}, {row['seconds']} s", highlight=False)
    console.print(summary(rows))


if __name__ == "__main__":
    main()
