"""K-Arm's pre-screen for ABS against ABS's own choice of candidates: seconds and what it loses.

Run: python benchmarks/prescreen.py --zoo DIR --models id-00000001 id-00000003 ...
Prints a table with a row for each choice; writes benchmarks/results/prescreen.json.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from time import process_time

import torch
from benchmark_models import SEED, Subject, of_zoo, scanner
from result_tables import Row, table, write
from rich.console import Console
from timing import facts

from exray.app.config import register
from exray.scanners.abs.base import stimulate
from exray.scanners.abs.patches import AbsPatchScanner

RESULTS = Path(__file__).parent / "results" / "prescreen.json"
MIN_ASR = 0.9
CHOICES = {
    "every target, ranked by the probe (the default)": [],
    "3 targets a victim by stimulation": ["scanner.engine.stimulation.targets_per_victim=3"],
    "3 targets a victim by K-Arm's pre-screen": [
        "scanner.engine.prescreen={share:0,targets_per_victim:3}"
    ],
    "the same, in 9 of 10 images": ["scanner.engine.prescreen={share:0.9,targets_per_victim:3}"],
}


def choice_row(name: str, changes: Sequence[str], subjects: Sequence[Subject]) -> Row:
    """One way of choosing candidates, on all classifiers; seconds are the processor's."""
    one = scanner("abs", changes)
    assert isinstance(one, AbsPatchScanner)
    injected = pointed = begun = recalled = models = candidates = 0
    choosing = scanning = 0.0
    for subject in subjects:
        start = process_time()
        split, pointers = stimulate(
            subject.classifier, subject.samples, one.stimulation, one.prescreen
        )
        chosen = process_time()
        result = one.invert(split, subject.samples, pointers)
        choosing, scanning = choosing + chosen - start, scanning + process_time() - start
        inversion, _ = one.start(split, subject.samples, pointers)
        truth = set(subject.injected)
        injected, candidates = injected + len(truth), candidates + result.num_candidates
        pointed += len(truth & {(victim, target) for victim, target, _ in pointers})
        begun += len(truth & {(pair.victims[0], pair.target) for pair in inversion.candidates})
        triggers = {
            (trigger.victim_class, trigger.target_class)
            for trigger in result.triggers
            if trigger.asr >= MIN_ASR
        }
        recalled, models = recalled + len(truth & triggers), models + bool(truth & triggers)
    return {
        "choice": name,
        "injected pairs": injected,
        "pointed to": pointed,
        "inverted": begun,
        "found": recalled,
        "models": f"{models} of {len(subjects)}",
        "candidates a model": round(candidates / len(subjects), 1),
        "choosing, s": round(choosing / len(subjects), 2),
        "scan, s": round(scanning / len(subjects), 2),
    }


def main() -> None:
    """Scans every classifier with every choice."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--zoo", type=Path, required=True, help="folder of a built zoo")
    parser.add_argument("--models", nargs="+", required=True, help="ids of trojaned models")
    words = parser.parse_args()
    register()
    torch.manual_seed(SEED)
    subjects = [of_zoo(words.zoo, model_id) for model_id in words.models]
    choice_row("to warm up", [], subjects[:1])
    rows = [choice_row(name, changes, subjects) for name, changes in CHOICES.items()]
    Console(file=sys.stdout, width=150).print(table("Candidates of ABS", rows))
    facts_of = facts(torch.device("cpu"), SEED)
    write(RESULTS, {**facts_of, "models": words.models, "rows": rows})


if __name__ == "__main__":
    main()
