"""Rows of results: on the console, as Markdown, in a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table

from exray.storage.atomic_files import write_json
from exray.text import markdown_table

Row = dict[str, object]


def table(title: str, rows: Sequence[Row]) -> Table:
    """Rows for the console; a dash where one lacks a column of another."""
    shown = Table(title=title)
    names = list(dict.fromkeys(name for row in rows for name in row))
    for name in names:
        shown.add_column(name.replace("_", " "))
    for row in rows:
        shown.add_row(*(_text(row.get(name)) for name in names))
    return shown


def markdown(rows: Sequence[Row]) -> str:
    """The same rows as a Markdown table."""
    header = [name.replace("_", " ") for name in rows[0]]
    return markdown_table(header, [[_text(value) for value in row.values()] for row in rows])


def write(path: Path, facts: Mapping[str, object]) -> None:
    """Writes results, whole or not at all."""
    write_json(path, facts)


def _text(value: object) -> str:
    return "-" if value is None else str(value)
