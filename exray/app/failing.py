"""The picture of the models that rows of a table get wrong. Imports no torch."""

from collections.abc import Mapping
from pathlib import Path

from exray.evaluation.columns import Cell
from exray.evaluation.experiment import ExperimentTable
from exray.evaluation.failures import failures, to_draw
from exray.evaluation.store import ResultStore
from exray.reports.failure_pictures import LIMIT, WrongRow, failures_png

PICTURE = "failures.png"


def failing_drawings(
    table: ExperimentTable, cells: Mapping[str, Cell], root: Path
) -> tuple[dict[str, bytes], list[str]]:
    """The picture by its file's name, and a sentence on each row in it; empty without failures.

    Args:
        table: Says which cells are asked for.
        cells: The stored cells by their folder below the root.
        root: Where the records lie.
    """
    folders = {cell.name: folder for folder, cell in cells.items()}
    for each in table.about.derived:
        if each.cell in folders:
            folders.setdefault(each.name, folders[each.cell])
    judged = {cell.name: cell for cell in table.with_derived(list(cells.values()))}
    rows = [
        _wrong(judged[name], ResultStore(root / folders[name]))
        for name in table.about.failures
        if name in judged
    ]
    rows = [row for row in rows if row.failures]
    if not rows:
        return {}, []
    return {PICTURE: failures_png(rows)}, [f"{PICTURE}, {row.caption}." for row in rows]


def _wrong(cell: Cell, store: ResultStore) -> WrongRow:
    """A cell's failures with the tensors of those that are drawn."""
    found = failures(cell)
    drawn = to_draw(found, LIMIT)
    tensors = {each.model_id: store.tensors(each.model_id) for each in drawn}
    return WrongRow(name=cell.name, failures=found, tensors=tensors)
