r"""Scans the real classifiers of a folder with a truth.csv, and says which verdicts are right.

Models by other people, for testing alone: nothing is chosen on them. Example:

    python benchmarks/third_party.py ../shared/data/third_party ../shared/data/third_party_2 \
        ../shared/data/signs_by_others --results results/third_party

Each model is one run of ``run.py dataset=folder``; finished ones are not scanned again, and the
inversions are cached for other judges.
"""

import argparse
import csv
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_MEAN_STD = {  # networks that do not normalise, and what they were trained with
    "cifar10_resnet20_raw": ("[0.485,0.456,0.406]", "[0.229,0.224,0.225]"),
}
_COLUMNS = (
    "model", "truth", "target", "verdict", "probability", "right", "clean_accuracy", "temperature",
    "triggers", "injected", "best_trigger", "seconds", "inversion_seconds", "trigger",
)  # fmt: skip
_REPOSITORY = Path(__file__).parent.parent


@dataclass(frozen=True)
class Case:
    """One model of a truth.csv."""

    name: str
    model: Path
    images: Path
    factory: str
    truth: str
    target: str
    trigger: str

    def overrides(self) -> list[str]:
        """The dataset's settings."""
        words = [
            "dataset=folder",
            f"dataset.model={self.model}",
            f"dataset.images={self.images}",
            f"dataset.factory={self.factory}",
        ]
        normalisation = _MEAN_STD.get(self.factory.rpartition(":")[2])
        if normalisation is not None:
            mean, std = normalisation
            words += [f"dataset.preprocess.mean={mean}", f"dataset.preprocess.std={std}"]
        return words


def cases_of(folder: Path) -> list[Case]:
    """The models that a folder's truth.csv names."""
    cases = []
    with (folder / "truth.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name, factory = row["model"], row["factory"]
            one_folder = (folder / name).is_dir()
            if ":" not in factory:
                factory = f"factories.py:{factory}"
            if "images" in row and not one_folder:
                images = folder / "images" / row["images"]
            else:
                images = folder / name / "images"
            cases.append(
                Case(
                    name=name,
                    model=folder / name / "model.pt" if one_folder else _weights(folder, name),
                    images=images,
                    factory=str(folder / factory),
                    truth=row["truth"],
                    target=row.get("target_class") or row.get("target") or "",
                    trigger=row["trigger"],
                )
            )
    return cases


def _weights(folder: Path, name: str) -> Path:
    """The file of a model's weights."""
    files = sorted((folder / "models").glob(f"{name}.*"))
    if not files:
        sys.exit(f"{folder}/models holds no file {name}.*, which its truth.csv names")
    return files[0]


def scanned(case: Case, results: Path, more: list[str]) -> dict[str, object]:
    """The record of one model, scanned unless it is there; empty if the scan failed."""
    run = results / case.name
    if not list(run.glob("*/record.json")):
        command = [sys.executable, str(_REPOSITORY / "run.py"), *case.overrides()]
        command += [f"paths.results={results.parent}", f"name={results.name}/{case.name}", *more]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stderr[-2000:] or done.stdout[-2000:], file=sys.stderr)
    for file in run.glob("*/record.json"):
        record: dict[str, object] = json.loads(file.read_text(encoding="utf-8"))
        return record
    return {}


def row_of(case: Case, record: dict[str, object], run: Path) -> dict[str, object]:
    """What the table says about one model."""
    verdict = str(record.get("verdict", "failed"))
    is_right = verdict == "trojaned" if case.truth == "trojaned" else verdict in _NOT_TROJANED
    seconds = record.get("seconds", {})
    assert isinstance(seconds, dict)
    return {
        "model": case.name,
        "truth": case.truth,
        "target": case.target,
        "verdict": verdict,
        "probability": _rounded(record.get("probability"), 4),
        "right": is_right,
        "clean_accuracy": _rounded(record.get("clean_accuracy"), 3),
        "temperature": _rounded(record.get("temperature"), 3),
        "triggers": record.get("num_triggers", ""),
        "injected": record.get("num_injected", ""),
        "best_trigger": _best(run),
        "seconds": _rounded(seconds.get("total"), 1),
        "inversion_seconds": _rounded(seconds.get("kept_inversion", seconds.get("inversion")), 1),
        "trigger": case.trigger,
    }


_NOT_TROJANED = ("clean", "natural-only")


def _rounded(value: object, digits: int) -> object:
    return round(value, digits) if isinstance(value, float) else value


def _best(run: Path) -> str:
    """The trigger with the highest score: its search, victim, target and score."""
    for file in run.glob("*/triggers.jsonl"):
        lines = file.read_text(encoding="utf-8").splitlines()
        triggers = [json.loads(line) for line in lines]
        if triggers:
            best = max(triggers, key=lambda one: float(one["score"]))
            pair = f"{best['victim_class']}>{best['target_class']}"
            return f"{best['source']} {pair} {best['score']:.2f}"
    return ""


def main() -> None:
    """Scans the models of all folders and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, help="folders with a truth.csv")
    parser.add_argument("--results", type=Path, default=Path("results/third_party"))
    parser.add_argument("--only", default="", help="scan models whose name holds this alone")
    parser.add_argument("--more", nargs="*", default=[], help="further settings of run.py")
    given = parser.parse_args()
    results = given.results.resolve()
    rows = []
    for case in (case for folder in given.folders for case in cases_of(folder.resolve())):
        if given.only not in case.name:
            continue
        record = scanned(case, results, given.more)
        row = row_of(case, record, results / case.name)
        rows.append(row)
        print(*(row[name] for name in _COLUMNS[:-1]), sep="\t", flush=True)
    results.mkdir(parents=True, exist_ok=True)
    with (results / "verdicts.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    print(f"{sum(bool(row['right']) for row in rows)} of {len(rows)} right")


if __name__ == "__main__":
    main()
