"""How many injected triggers a scanner recovers, and how often it alarms on clean classifiers.

Reads stored records; scans nothing. An injected trigger counts as recovered if one with its victim
and target and an ASR of at least 0.9 was found.
Run: python benchmarks/recall.py results/NAME [results/OTHER ...]
"""

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from exray.evaluation.records import ScanRecord
from exray.evaluation.store import ResultStore, StoredScan

MIN_ASR = 0.9
COLUMNS = ("scanner", "trigger kind", "models", "done", "recalled", "recall", "false alarms")


def kind_of(record: ScanRecord) -> str:
    """The injected trigger's kind, from ground truth; ``clean`` where there is none."""
    if not record.is_trojaned:
        return "clean"
    words = (record.truth.get("trigger"), record.truth.get("trigger_option"))
    return " ".join(str(word) for word in words if word) or "unknown"


def is_recalled(scan: StoredScan) -> bool:
    """Whether the injected trigger is among those found."""
    return any(each.is_true_trigger and each.asr >= MIN_ASR for each in scan.triggers)


def row(scanner: str, kind: str, scans: Sequence[StoredScan]) -> tuple[str, ...]:
    """One line of the table. Scans that failed count as models and recall nothing."""
    done = [each for each in scans if each.record.status == "done"]
    if kind == "clean":
        alarms = sum(bool(each.record.scanner_flags) for each in done)
        return scanner, kind, str(len(scans)), str(len(done)), "-", "-", str(alarms)
    hits = sum(is_recalled(each) for each in done)
    share = f"{hits / len(scans):.2f}"
    return scanner, kind, str(len(scans)), str(len(done)), str(hits), share, "-"


def main(folders: Sequence[str]) -> None:
    """Prints the table."""
    groups: dict[tuple[str, str], list[StoredScan]] = defaultdict(list)
    for folder in folders:
        store = ResultStore(Path(folder))
        for model_id in store.model_ids():
            scan = store.read(model_id)
            if scan.record.is_trojaned is not None:
                groups[scan.record.scanner, kind_of(scan.record)].append(scan)
    table = Table(*COLUMNS, title=f"Injected triggers recovered (ASR >= {MIN_ASR})")
    for (scanner, kind), scans in sorted(groups.items()):
        table.add_row(*row(scanner, kind, scans))
    Console(file=sys.stdout, width=120).print(table)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("name at least one folder of results, such as results/scan")
    main(sys.argv[1:])
