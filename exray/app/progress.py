"""Progress on stderr: which model, which stage, how far, and how long it will take."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from exray.pipeline.scan_cache import WAITING
from exray.zoo.entries import ModelEntry

_SECONDS_PER_LINE = 30.0  # where stderr is no terminal, so that a bar cannot be drawn


class _Bar:
    """A progress bar that prints a line for each finished model.

    Where the console is no terminal, a line says every 30 seconds how far it is.

    Args:
        console: Where it is drawn.
        total: Number of models.
        clock: Seconds that never run backwards.
    """

    def __init__(
        self, console: Console, total: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            transient=True,
            get_time=clock,
            disable=not console.is_terminal,
        )
        self.models = self.bar.add_task("models", total=total)
        self.clock = clock
        self._last_line = clock()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Shows the bars while the block runs."""
        self.bar.start()
        try:
            yield
        finally:
            self.bar.stop()

    def line(self, text: str) -> None:
        """Prints a finished model's line and advances the bar of models."""
        self._print(text)
        self.bar.advance(self.models)

    def report(self, text: str, *, at_once: bool = False) -> None:
        """Prints how far it is, where there is no terminal and nothing was printed for long."""
        is_due = at_once or self.clock() >= self._last_line + _SECONDS_PER_LINE
        if is_due and not self.bar.console.is_terminal:
            self._print(text)

    def _print(self, text: str) -> None:
        self.bar.console.print(text, highlight=False, markup=False, soft_wrap=True)
        self._last_line = self.clock()


class ScanProgress(_Bar):
    """Bars for the models of a run and for the stage of the one being scanned."""

    def start(self, model_id: str) -> None:
        """Names the classifier that is scanned now."""
        self.model_id = model_id
        self.bar.update(self.models, description=f"scanning {model_id}")
        self._begin("load", None)

    def stage(self, name: str, done: int, total: int) -> None:
        """Shows how far a stage is."""
        if name != self.stage_name:
            self.bar.remove_task(self.stage_task)
            self._begin(name, total)
            if name == WAITING:
                self.report(f"{self.model_id}: {name}", at_once=True)
        self.bar.update(self.stage_task, completed=done, total=total or None)
        left = self._time_left(done, total)
        count = f" {done} of {total}" if total else ""
        self.report(f"{self.model_id}: {name}{count}{left}")

    def put_off(self) -> None:
        """Leaves the classifier for later."""
        self.bar.remove_task(self.stage_task)

    def finish(self, text: str) -> None:
        """Prints one classifier's line."""
        self.bar.remove_task(self.stage_task)
        self.line(text)

    def _begin(self, name: str, total: int | None) -> None:
        self.stage_name = name
        self.stage_task = self.bar.add_task(name, total=total)
        self.stage_start = self.clock()

    def _time_left(self, done: int, total: int) -> str:
        """What the stage will still take at its pace so far; empty before its first step."""
        if not 0 < done < total:
            return ""
        seconds = (self.clock() - self.stage_start) / done * (total - done)
        return f", about {timedelta(seconds=round(seconds))} left"


class BuildProgress(_Bar):
    """A bar for the classifiers of a zoo."""

    def __init__(self, console: Console, total: int) -> None:
        super().__init__(console, total)
        self.bar.update(self.models, description="training")

    def finish(self, entry: ModelEntry) -> None:
        """Prints what one classifier reached."""
        kind = "clean" if entry.attack is None else "trojaned"
        asr = "" if entry.asr is None else f", ASR {entry.asr:.3f}"
        self.line(
            f"{entry.model_id}: {kind}, clean accuracy {entry.clean_accuracy:.3f}{asr}, "
            f"attempt {entry.attempts}, trained in {entry.training_seconds:.0f} s"
        )
