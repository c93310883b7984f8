"""The models that rows of a table get wrong, as one picture: what the deciding trigger does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure, SubFigure
from numpy import ndarray
from numpy.typing import NDArray

from exray.experiments.cells import ExperimentCell
from exray.experiments.figures import figure_png
from exray.experiments.misjudged import Failure, failures, to_draw
from exray.experiments.table import ExperimentTable
from exray.reports.formatting import number
from exray.reports.mask_images import shrink
from exray.reports.trigger_cards import IMAGES, LONGEST_PIXELS, images_of, tensors_of
from exray.results.store import ResultStore

LIMIT = 8  # models of a row that are drawn


_INCHES = 0.95  # side of an image


_LEVELS = 16  # of each colour: finer ones are mostly noise, which doubles the file


@dataclass(frozen=True, kw_only=True)
class Misjudged:
    """A row of the table with the models that it gets wrong.

    Args:
        name: The row.
        failures: Its failures.
        tensors: Stored tensors of each of them that is drawn, by the model's id.
    """

    name: str
    failures: Sequence[Failure]
    tensors: Mapping[str, Mapping[str, NDArray[np.generic]]]

    @property
    def drawn(self) -> list[Failure]:
        """Those of its failures that have a place in the picture."""
        return to_draw(self.failures, LIMIT)

    @property
    def caption(self) -> str:
        """How many models it gets wrong, and how many of them are drawn."""
        missed = sum(each.is_trojaned for each in self.failures)
        drawn = len(self.drawn)
        told = f"{len(self.failures) - missed} clean but flagged, {missed} trojaned but missed"
        return f"{self.name}: {told}" + (f"; {drawn} drawn" if drawn < len(self.failures) else "")


def failures_png(rows: Sequence[Misjudged]) -> bytes:
    """Victim, trigger, stamped and target image of each wrong model's deciding trigger.

    Args:
        rows: Rows of the table, drawn side by side; up to `LIMIT` models of each.

    Raises:
        ValueError: If there is no failure to draw.
    """
    height = max((len(row.drawn) for row in rows), default=0)
    if not height:
        raise ValueError("rows must hold a failure to draw; got none")
    size = (len(IMAGES) * _INCHES * len(rows), (_INCHES + 0.38) * height + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    for part, row in zip(figure.subfigures(1, len(rows), squeeze=False)[0], rows, strict=True):
        part.suptitle(row.caption.replace(": ", "\n"), fontsize=7)
        places = part.subfigures(height, 1, squeeze=False)[:, 0]
        for place, failure in zip(places, row.drawn, strict=False):
            _draw(place, failure, row.tensors.get(failure.model_id, {}))
    return figure_png(figure)


def headline(failure: Failure) -> str:
    r"""What is written above a wrong model's images, in two lines.

    Args:
        failure: The model.

    Example:
        >>> headline(Failure(model_id="m", is_trojaned=True, kind="blend", probability=0.1,
        ...     trigger=None))
        'm: blend, missed\nno trigger found'
    """
    truth = f"{failure.kind or 'trojaned'}, missed" if failure.is_trojaned else "clean, flagged"
    trigger = failure.trigger
    if trigger is None:
        return f"{failure.model_id}: {truth}\nno trigger found"
    pair = f"{trigger.victim} to {trigger.target} ({trigger.source})"
    if failure.is_trojaned:
        pair += ", the injected pair" if trigger.is_true else ", not the injected pair"
    numbers = (
        f"similarity {number(trigger.similarity, 2)}, "
        f"weakest cross {number(trigger.weakest_cross, 2)}, score {number(trigger.score, 2)}"
    )
    return f"{failure.model_id}: {truth}; {pair}\n{numbers}"


def _draw(place: SubFigure, failure: Failure, tensors: Mapping[str, NDArray[np.generic]]) -> None:
    """One model's images beside each other."""
    place.suptitle(headline(failure), fontsize=5.5, x=0.02, ha="left", linespacing=1.1)
    trigger = failure.trigger
    mine = {} if trigger is None else tensors_of(tensors, trigger.index)
    images = images_of(mine, tuple(name for name, _ in IMAGES))
    for axes, (name, caption) in zip(place.subplots(1, len(IMAGES)), IMAGES, strict=True):
        axes.set(xticks=[], yticks=[], box_aspect=1)
        axes.set_xlabel(caption, fontsize=5, labelpad=1)
        if name in images:
            axes.imshow(_coarse(shrink(images[name], LONGEST_PIXELS)), interpolation="nearest")
        else:
            axes.text(0.5, 0.5, "no image\nstored", fontsize=5, ha="center", va="center")


def _coarse(image: UInt8[ndarray, "h w 3"]) -> UInt8[ndarray, "h w 3"]:
    """The image in few levels of each colour, black and full colour among them."""
    step = 255 / (_LEVELS - 1)
    return np.rint(np.rint(image / step) * step).astype(np.uint8)


PICTURE = "failures.png"


def failing_drawings(
    table: ExperimentTable, cells: Mapping[str, ExperimentCell], root: Path
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


def _wrong(cell: ExperimentCell, store: ResultStore) -> Misjudged:
    """A cell's failures with the tensors of those that are drawn."""
    found = failures(cell)
    drawn = to_draw(found, LIMIT)
    tensors = {each.model_id: store.tensors(each.model_id) for each in drawn}
    return Misjudged(name=cell.name, failures=found, tensors=tensors)
