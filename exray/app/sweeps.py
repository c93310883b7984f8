"""A sweep's cells: where each lies, and what those that ran in other processes left."""

import json
import os
import platform
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from exray.app.override_checks import results_root, sweeps_in
from exray.app.task_result import TaskResult
from exray.storage.atomic_files import replace_file
from exray.storage.plain_json import to_json


@dataclass(frozen=True, kw_only=True)
class Handover:
    """Files in which jobs of other processes tell the command line how they ended.

    Hydra's launchers run a job elsewhere and give nothing back that the command line could print;
    on a cluster its stdout is a file.

    Args:
        folder: Where they lie, on a file system that all processes see.
        process: The command line's own process; its jobs tell it themselves.

    Example:
        >>> import tempfile
        >>> handover = Handover(folder=Path(tempfile.mkdtemp()), process="another")
        >>> handover.leave(1, TaskResult(lines=("m1",), status=1))
        >>> handover.leave(0, TaskResult(lines=("m0",), status=0))
        >>> handover.is_elsewhere(), [ended.lines for ended in handover.taken()]
        (True, [('m0',), ('m1',)])
    """

    folder: Path
    process: str = field(default_factory=lambda: _this_process())

    def is_elsewhere(self) -> bool:
        """Whether this is another process than the command line's."""
        return self.process != _this_process()

    def leave(self, number: int, ended: TaskResult) -> None:
        """Writes down how a job ended.

        Args:
            number: The job's place in the sweep.
            ended: What it left.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        replace_file(self.folder / f"{number}.json", to_json(asdict(ended)))

    def taken(self) -> list[TaskResult]:
        """How the jobs ended, in the sweep's order; the files are removed."""
        paths = sorted(self.folder.glob("*.json"), key=lambda path: int(path.stem))
        ended = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        shutil.rmtree(self.folder, ignore_errors=True)
        return [
            TaskResult(
                lines=tuple(each["lines"]),
                status=each["status"],
                told=each["told"],
                cell=each["cell"],
            )
            for each in ended
        ]


def handover_for(words: Sequence[str]) -> Handover:
    """A handover of its own for one command.

    Args:
        words: The command line.
    """
    return Handover(folder=results_root(words).absolute() / f".sweep-{uuid.uuid4().hex}")


def cell_of(words: Sequence[str]) -> str:
    """Folder of the cell that runs now: what is swept, but for keys that change no result.

    Args:
        words: The command line.
    """
    settings = HydraConfig.get()
    swept = {word.partition("=")[0] for word in sweeps_in(words)}
    swept |= set(settings.sweeper.params or {})
    swept -= set(settings.job.config.override_dirname.exclude_keys)
    told = [word for word in settings.overrides.task if word.partition("=")[0] in swept]
    return ",".join(told).replace("/", "_")


def _this_process() -> str:
    return f"{platform.node()}:{os.getpid()}"
