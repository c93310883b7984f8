"""The models that rows of a table get wrong, as one drawing: what the decisive trigger does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from numpy.typing import NDArray

from exray.experiments.cells import ExperimentCell
from exray.experiments.figures import figure_png, new_figure
from exray.experiments.misjudged import MisjudgedModel, misjudged_models, to_draw
from exray.experiments.table import ExperimentTable
from exray.reports.formatting import number
from exray.reports.mask_images import shrink
from exray.reports.trigger_cards import IMAGES, LONGEST_PIXELS, images_of, tensors_of
from exray.results.store import ResultStore

if TYPE_CHECKING:
    import matplotlib.figure

FILE = "failures.png"
LIMIT = 8  # models of a row that are drawn
_INCHES = 0.95  # side of an image
_LEVELS = 16  # of each colour: finer ones are mostly noise, which doubles the file


@dataclass(frozen=True, kw_only=True)
class MisjudgedRow:
    """A row of the table with the models that it gets wrong.

    Args:
        name: The row.
        models: The models.
        tensors: Stored tensors of each model that is drawn, by the model's id.
    """

    name: str
    models: Sequence[MisjudgedModel]
    tensors: Mapping[str, Mapping[str, NDArray[np.generic]]]

    @property
    def drawn(self) -> list[MisjudgedModel]:
        """The models that have a place in the drawing."""
        return to_draw(self.models, LIMIT)

    @property
    def caption(self) -> str:
        """How many models it gets wrong, and how many of them are drawn."""
        missed = sum(model.is_trojaned for model in self.models)
        drawn = len(self.drawn)
        errors = f"{len(self.models) - missed} clean but flagged, {missed} trojaned but missed"
        return f"{self.name}: {errors}" + (f"; {drawn} drawn" if drawn < len(self.models) else "")


def misjudged_png(rows: Sequence[MisjudgedRow]) -> bytes:
    """Victim, trigger, stamped and target image of each wrong model's decisive trigger.

    Args:
        rows: Rows of the table, drawn side by side; up to `LIMIT` models of each.

    Raises:
        ValueError: If there is no model to draw.
    """
    height = max((len(row.drawn) for row in rows), default=0)
    if not height:
        raise ValueError("rows must hold a misjudged model to draw; got none")
    figure = new_figure(len(IMAGES) * _INCHES * len(rows), (_INCHES + 0.38) * height + 0.4)
    for part, row in zip(figure.subfigures(1, len(rows), squeeze=False)[0], rows, strict=True):
        part.suptitle(row.caption.replace(": ", "\n"), fontsize=7)
        places = part.subfigures(height, 1, squeeze=False)[:, 0]
        for place, model in zip(places, row.drawn, strict=False):
            _draw(place, model, row.tensors.get(model.model_id, {}))
    return figure_png(figure)


def headline(model: MisjudgedModel) -> str:
    r"""What is written above a wrong model's images, in two lines.

    Args:
        model: The model.

    Example:
        >>> headline(MisjudgedModel(model_id="m", is_trojaned=True, kind="blend", probability=0.1,
        ...     trigger=None))
        'm: blend, missed\nno trigger found'
    """
    truth = f"{model.kind or 'trojaned'}, missed" if model.is_trojaned else "clean, flagged"
    trigger = model.trigger
    if trigger is None:
        return f"{model.model_id}: {truth}\nno trigger found"
    pair = f"{trigger.victim} to {trigger.target} ({trigger.source})"
    if model.is_trojaned:
        pair += ", the injected pair" if trigger.is_true else ", not the injected pair"
    numbers = (
        f"similarity {number(trigger.similarity, 2)}, "
        f"weakest cross {number(trigger.weakest_cross, 2)}, score {number(trigger.score, 2)}"
    )
    return f"{model.model_id}: {truth}; {pair}\n{numbers}"


def _draw(
    place: "matplotlib.figure.SubFigure",
    model: MisjudgedModel,
    tensors: Mapping[str, NDArray[np.generic]],
) -> None:
    """One model's images side by side."""
    place.suptitle(headline(model), fontsize=5.5, x=0.02, ha="left", linespacing=1.1)
    trigger = model.trigger
    own = {} if trigger is None else tensors_of(tensors, trigger.index)
    images = images_of(own, tuple(name for name, _ in IMAGES))
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


def misjudged_figures(
    table: ExperimentTable, cells: Sequence[ExperimentCell]
) -> tuple[dict[str, bytes], list[str]]:
    """The drawing by its file's name, and a sentence on each row in it; empty without errors.

    Args:
        table: Names the rows whose errors are drawn.
        cells: The stored cells.
    """
    by_name = {cell.name: cell for cell in table.with_derived(cells)}
    rows = [_row(by_name[name]) for name in table.about.failures if name in by_name]
    rows = [row for row in rows if row.models]
    if not rows:
        return {}, []
    return {FILE: misjudged_png(rows)}, [f"{FILE}, {row.caption}." for row in rows]


def _row(cell: ExperimentCell) -> MisjudgedRow:
    """A row's misjudged models with the tensors of those that are drawn."""
    models, store = misjudged_models(cell), ResultStore(cell.folder)
    tensors = {model.model_id: store.tensors(model.model_id) for model in to_draw(models, LIMIT)}
    return MisjudgedRow(name=cell.name, models=models, tensors=tensors)
