"""The files of a table of repairs: rows, table and page."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from exray.experiments.readme import END, START
from exray.experiments.repair_tables import RepairTable
from exray.results.store import ResultStore
from exray.storage.atomic_files import replace_file

_SHOWN = ("dataset.name", "dataset.half", "dataset.recipe.samples_per_class", "scanner.name")
_METHOD = ("repair.settings.", "repair.method.")


def write_repair_table(
    table: RepairTable, results: Path, folder: Path, *, paper: Path, commands: Sequence[str]
) -> tuple[str, ...]:
    """Writes ``records.csv``, ``table.md`` and ``README.md``; what a person wrote there stays.

    Args:
        table: Which rows.
        results: Folder of all runs.
        folder: Where the files go; made if absent.
        paper: Folder of the paper's numbers.
        commands: What was typed.

    Returns:
        The table's lines, for stdout.

    Raises:
        ValueError: If there are no repairs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = table.rows(results).to_csv(index=False, lineterminator="\n", float_format="%.6g")
    replace_file(folder / "records.csv", content.encode())
    text = table.markdown(read_repair_rows(folder), reported_sizes(table, paper))
    replace_file(folder / "table.md", text.encode())
    page = folder / "README.md"
    old = page.read_text(encoding="utf-8") if page.is_file() else ""
    replace_file(page, _page(table, results, commands, old).encode())
    return tuple(line for line in text.splitlines() if line.startswith(("| ", "- ")))


def read_repair_rows(folder: Path) -> pd.DataFrame:
    """The rows of a table of repairs, as they are committed.

    Args:
        folder: The experiment's.
    """
    return pd.read_csv(folder / "records.csv", keep_default_na=False, na_values=[""])


def reported_sizes(table: RepairTable, paper: Path) -> pd.DataFrame | None:
    """The paper's numbers; None where it prints none.

    Args:
        table: Which table.
        paper: Folder of the paper's numbers.
    """
    return pd.read_csv(paper / table.about.reported) if table.about.reported else None


def _page(table: RepairTable, results: Path, commands: Sequence[str], old: str) -> str:
    """The page, with what stood below the end mark of the old one."""
    facts = []
    for run in table.about.runs:
        roots = {path.parent.parent for path in sorted((results / run).rglob("repair.json"))}
        for root in sorted(roots):
            config = ResultStore(root).config()
            values = {key: config[key] for key in _SHOWN if config.get(key) is not None}
            values |= {key: config[key] for key in config if key.startswith(_METHOD)}
            values = {key: value for key, value in values.items() if "_target_" not in key}
            words = ", ".join(f"{key}={value}" for key, value in values.items())
            facts.append(f"- {root.relative_to(results)}: {words}")
    machine = (
        f"- machine: {os.cpu_count()} CPUs, {platform.machine()}, Python "
        f"{platform.python_version()}, torch {version('torch')}"
    )
    differs = "\n".join(f"- {text}" for text in table.about.differs)
    parts = [
        f"# {table.about.title}",
        START,
        "```\n" + "\n".join(commands) + "\n```",
        "`table.md` follows from `records.csv`; a test holds it to that.",
        "\n".join([*facts, machine]),
        f"What differs from the paper:\n\n{differs}" if differs else "",
        END,
    ]
    written = old.partition(END)[2].strip("\n")
    return "\n\n".join([part for part in parts if part] + ([written] if written else [])) + "\n"
