"""How many injected triggers each scanner recovers, how often it alarms on clean classifiers.

An injected trigger counts as recovered if a trigger with its victim and target and an ASR of at
least 0.9 was found; of one with several victims, if that of one pair was. An alarm is the scanner's
own verdict, without a judge. With several seeds, also how far their scans agree. Scans what no
stored record tells, and goes on where it was stopped.
Run: python benchmarks/trigger_recall.py --scanners abs_both k_arm --seeds 0 1 2 dataset=signs ...
Or:  python benchmarks/trigger_recall.py --stored results/NAME [results/OTHER ...]
Prints the tables; writes benchmarks/results/trigger_recall.json, where other scanners' rows stay.
"""

import argparse
import json
import platform
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

import torch
from hydra import compose, initialize_config_dir
from rich.console import Console
from rich.table import Table

from exray.app.config import register
from exray.app.run_folders import results_folder
from exray.app.tasks.scan import scan
from exray.presets import conf_folder
from exray.results.model_scan import ModelScan
from exray.results.records import ScanRecord
from exray.results.store import ResultStore

MIN_ASR = 0.9
RESULTS = Path(__file__).parent / "results" / "trigger_recall.json"


@dataclass(frozen=True, kw_only=True)
class RecallRow:
    """One scanner on the classifiers of one kind of trigger.

    Args:
        scanner: Name of its configuration.
        kind: Of the injected trigger; ``clean`` where there is none.
        seed: Of the scans.
        models: Classifiers with a record.
        recalled: Those whose injected trigger was found; failed ones count as missed.
        recall: Their share; None for clean ones.
        alarms: Classifiers that the scanner alone calls trojaned.
        inconclusive: Those on which it says nothing, failed ones included.
        triggers: Mean number of triggers found.
        seconds: Median time of an inversion, of all joined scanners where they are several.
        missed: Classifiers whose injected trigger was not found.
    """

    scanner: str
    kind: str
    seed: int
    models: int
    recalled: int | None
    recall: float | None
    alarms: int
    inconclusive: int
    triggers: float
    seconds: float
    missed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AgreementRow:
    """How far one scanner's scans of the same classifiers with other seeds agree.

    Args:
        scanner: Name of its configuration.
        seeds: The seeds.
        models: Classifiers that were scanned with every one.
        pairs: (Classifier, victim, target) found with one seed or more.
        in_all: Share of those that were found with every seed.
        injected_in_all: The same of the injected pairs.
        same_alarm: Share of the classifiers on which the scanner alone says the same every time.
    """

    scanner: str
    seeds: tuple[int, ...]
    models: int
    pairs: int
    in_all: float | None
    injected_in_all: float | None
    same_alarm: float


def kind_of(record: ScanRecord) -> str:
    """The injected trigger's kind, from ground truth; ``clean`` where there is none."""
    return str(record.truth.get("trigger") or "unknown") if record.is_trojaned else "clean"


def is_recalled(model_scan: ModelScan) -> bool:
    """Whether the injected trigger is among those found."""
    return any(
        trigger.is_true_trigger and trigger.asr >= MIN_ASR for trigger in model_scan.triggers
    )


def recall_row(scanner: str, kind: str, scans: Sequence[ModelScan]) -> RecallRow:
    """One line of the table.

    Args:
        scanner: Name of its configuration.
        kind: Of the injected triggers.
        scans: At least one.
    """
    missed = tuple(
        model_scan.record.model_id for model_scan in scans if not is_recalled(model_scan)
    )
    trojaned = kind != "clean"
    recalled = len(scans) - len(missed)
    return RecallRow(
        scanner=scanner,
        kind=kind,
        seed=scans[0].record.seed,
        models=len(scans),
        recalled=recalled if trojaned else None,
        recall=round(recalled / len(scans), 3) if trojaned else None,
        alarms=sum(bool(model_scan.record.scanner_flags) for model_scan in scans),
        inconclusive=sum(model_scan.record.scanner_flags is None for model_scan in scans),
        triggers=round(sum(len(model_scan.triggers) for model_scan in scans) / len(scans), 2),
        seconds=round(median(_seconds(model_scan.record) for model_scan in scans), 1),
        missed=missed if trojaned else (),
    )


def _seconds(record: ScanRecord) -> float:
    """What the inversion took when it was made."""
    return record.seconds.get("kept_inversion", record.seconds.get("inversion", 0.0))


def recall_rows(scans: Iterable[ModelScan]) -> list[RecallRow]:
    """A line for each scanner and kind, from the scans with the lowest seed of each scanner.

    A scanner that joins several has its line, and one for each that its triggers come from.
    """
    groups: dict[tuple[str, str], list[ModelScan]] = defaultdict(list)
    known = [model_scan for model_scan in scans if model_scan.record.is_trojaned is not None]
    first = {
        name: min(_seeds(known, name))
        for name in {model_scan.record.scanner for model_scan in known}
    }
    for model_scan in known:
        if model_scan.record.seed == first[model_scan.record.scanner]:
            groups[model_scan.record.scanner, kind_of(model_scan.record)].append(model_scan)
    for (name, kind), group in list(groups.items()):
        for source in _sources(known, name):
            groups[f"{name}: {source}", kind] = [_part(model_scan, source) for model_scan in group]
    return [recall_row(*key, group) for key, group in sorted(groups.items())]


def _sources(scans: Iterable[ModelScan], scanner: str) -> list[str]:
    """The scanners that one joins; none where it is a single one."""
    own = [model_scan for model_scan in scans if model_scan.record.scanner == scanner]
    sources = sorted({trigger.source for model_scan in own for trigger in model_scan.triggers})
    return sources if len(sources) > 1 else []


def _part(model_scan: ModelScan, source: str) -> ModelScan:
    """What one of several joined scanners found; ABS of either kind alarms where it finds any."""
    triggers = tuple(trigger for trigger in model_scan.triggers if trigger.source == source)
    flags = None if model_scan.record.scanner_flags is None else bool(triggers)
    return ModelScan(record=replace(model_scan.record, scanner_flags=flags), triggers=triggers)


def agreement_rows(scans: Sequence[ModelScan]) -> list[AgreementRow]:
    """A line for each scanner that several seeds were scanned with."""
    names = sorted({model_scan.record.scanner for model_scan in scans})
    return [_agreement(scans, name) for name in names if len(_seeds(scans, name)) > 1]


def _seeds(scans: Iterable[ModelScan], scanner: str) -> list[int]:
    return sorted(
        {model_scan.record.seed for model_scan in scans if model_scan.record.scanner == scanner}
    )


def _agreement(scans: Sequence[ModelScan], scanner: str) -> AgreementRow:
    seeds = _seeds(scans, scanner)
    by_model: dict[str, list[ModelScan]] = defaultdict(list)
    for model_scan in scans:
        if model_scan.record.scanner == scanner:
            by_model[model_scan.record.model_id].append(model_scan)
    whole = {name: group for name, group in by_model.items() if len(group) == len(seeds)}
    counts: dict[tuple[str, int, int], int] = defaultdict(int)
    injected: set[tuple[str, int, int]] = set()
    for name, group in whole.items():
        for model_scan in group:
            pairs = {
                (trigger.victim_class, trigger.target_class) for trigger in model_scan.triggers
            }
            for pair in pairs:
                counts[name, *pair] += 1
            injected |= {
                (name, trigger.victim_class, trigger.target_class)
                for trigger in model_scan.triggers
                if trigger.is_true_trigger
            }
    alarms = [{model_scan.record.scanner_flags for model_scan in group} for group in whole.values()]
    return AgreementRow(
        scanner=scanner,
        seeds=tuple(seeds),
        models=len(whole),
        pairs=len(counts),
        in_all=_share([count == len(seeds) for count in counts.values()]),
        injected_in_all=_share([counts[key] == len(seeds) for key in injected]),
        same_alarm=_share([len(said) == 1 for said in alarms]) or 0.0,
    )


def _share(said: Sequence[bool]) -> float | None:
    return round(sum(said) / len(said), 3) if said else None


def scanned(scanners: Sequence[str], seeds: Sequence[int], overrides: Sequence[str]) -> list[Path]:
    """Folders of the runs of these scanners and seeds, scanned as far as they were not.

    Args:
        scanners: Names of configurations.
        seeds: A run each.
        overrides: Of the configuration: dataset, limit and the like.
    """
    register()
    folders = []
    for name in scanners:
        for seed in seeds:
            words = [*overrides, f"scanner={name}", f"seed={seed}", "judge=none"]
            with initialize_config_dir(str(conf_folder()), version_base="1.3"):
                config = compose("config", words)
                run = f"recall_{config.dataset.name}_{name}_{seed}"
                config = compose("config", [*words, f"name={run}"])
            scan(config)
            folders.append(results_folder(config, run, ""))
    return folders


def show(rows: Sequence[RecallRow] | Sequence[AgreementRow], title: str) -> None:
    """Prints a table."""
    if not rows:
        return
    names = list(asdict(rows[0]))
    table = Table(*(name.replace("_", " ") for name in names), title=title)
    for row in rows:
        table.add_row(*("-" if value is None else _told(value) for value in asdict(row).values()))
    Console(width=140).print(table)


def _told(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def write(zoo: str, recalls: Sequence[RecallRow], agreements: Sequence[AgreementRow]) -> None:
    """Puts the rows into the results, in the place of those of the same scanners and zoo.

    Args:
        zoo: What was scanned.
        recalls: Lines of the first table.
        agreements: Lines of the second.
    """
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    earlier = stored.get(zoo, {"recall": [], "agreement": []})
    fresh = {"recall": [asdict(row) for row in recalls]}
    fresh["agreement"] = [asdict(row) for row in agreements]
    names = {row.scanner for row in recalls}
    merged = {
        part: sorted(
            [row for row in earlier[part] if row["scanner"] not in names] + rows,
            key=lambda row: (row["scanner"], row.get("kind", "")),
        )
        for part, rows in fresh.items()
    }
    stored[zoo] = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "min_asr": MIN_ASR,
        **merged,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(stored, indent=1) + "\n")


def zoo_of(folders: Sequence[Path]) -> str:
    """Name and half of the zoo that all the runs scanned.

    Raises:
        ValueError: If they scanned several.
    """
    configs = [ResultStore(folder).config() for folder in folders]
    zoos = {
        f"{config.get('dataset.name')} {config.get('dataset.half') or ''}".strip()
        for config in configs
    }
    if len(zoos) != 1:
        raise ValueError(f"runs of one zoo can be counted together; got {sorted(zoos)}")
    return zoos.pop()


def main() -> None:
    """Scans, counts, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--stored", nargs="+", default=[], help="folders of finished runs")
    parser.add_argument("--scanners", nargs="+", default=[], help="what to scan with")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    words = sys.argv[1:]
    overrides = [word for word in words if "=" in word and not Path(word).is_dir()]
    options = parser.parse_args([word for word in words if word not in overrides])
    folders = [Path(folder) for folder in options.stored]
    folders += scanned(options.scanners, options.seeds, overrides)
    if not folders:
        parser.error("give --stored FOLDER or --scanners NAME")
    stores = [ResultStore(folder) for folder in folders]
    scans = [store.read(model_id) for store in stores for model_id in store.model_ids()]
    zoo, recalls, agreements = zoo_of(folders), recall_rows(scans), agreement_rows(scans)
    show(recalls, f"{zoo}: injected triggers recovered (ASR >= {MIN_ASR})")
    show(agreements, f"{zoo}: agreement of seeds")
    write(zoo, recalls, agreements)


if __name__ == "__main__":
    main()
