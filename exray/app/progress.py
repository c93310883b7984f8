"""Progress on stderr: which model, which stage, how far."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from exray.zoo.entries import ModelEntry


class _Bar:
    """A rich progress bar that prints a line for each finished model."""

    def __init__(self, console: Console, total: int) -> None:
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self.models = self.bar.add_task("models", total=total)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Shows the bars while the block runs."""
        self.bar.start()
        try:
            yield
        finally:
            self.bar.stop()

    def line(self, text: str) -> None:
        """Prints one line and moves the bar of models on."""
        self.bar.console.print(text, highlight=False, markup=False, soft_wrap=True)
        self.bar.advance(self.models)


class ScanProgress(_Bar):
    """Bars for the models of a run and for the stage of the one being scanned."""

    def start(self, model_id: str) -> None:
        """Names the classifier that is scanned now."""
        self.bar.update(self.models, description=f"scanning {model_id}")
        self.stage_task = self.bar.add_task("load", total=None)

    def stage(self, name: str, done: int, total: int) -> None:
        """Shows how far a stage is."""
        self.bar.update(self.stage_task, description=name, completed=done, total=total or None)

    def put_off(self) -> None:
        """Leaves the classifier for later."""
        self.bar.remove_task(self.stage_task)

    def finish(self, text: str) -> None:
        """Prints one classifier's line."""
        self.bar.remove_task(self.stage_task)
        self.line(text)


class BuildProgress(_Bar):
    """A bar for the classifiers of a zoo."""

    def __init__(self, console: Console, total: int) -> None:
        super().__init__(console, total)
        self.begun = time.perf_counter()
        self.bar.update(self.models, description="training")

    def finish(self, entry: ModelEntry) -> None:
        """Prints what one classifier reached."""
        kind = "clean" if entry.attack is None else "trojaned"
        asr = "" if entry.asr is None else f", ASR {entry.asr:.3f}"
        self.line(
            f"{entry.model_id}: {kind}, clean accuracy {entry.clean_accuracy:.3f}{asr}, "
            f"attempt {entry.attempts}, trained in {entry.training_seconds:.0f} s"
        )
