"""The tasks behind run.py by their names."""

from collections.abc import Callable, Sequence
from functools import partial
from pkgutil import resolve_name
from typing import cast

from omegaconf import DictConfig

from exray.app.task_result import TaskResult

TASKS = {
    "scan": "exray.app.tasks.scan:scan",
    "build_zoo": "exray.app.tasks.build_zoo:build",
    "report": "exray.app.tasks.report:report",
    "rejudge": "exray.app.tasks.rejudge:rejudge",
    "compare": "exray.app.tasks.compare:compare",
    "tabulate": "exray.app.tasks.tabulate:tabulate",
    "dashboard": "exray.app.tasks.dashboard:dashboard",
    "fit": "exray.app.tasks.fit:fit",
    "repair": "exray.app.tasks.repair:repair",
}
_THAT_NAME_THEIR_COMMAND = ("tabulate", "rejudge")  # in what they write


def task_named(name: str, words: Sequence[str]) -> Callable[[DictConfig, str], TaskResult]:
    """A task, imported when it is asked for.

    Torch takes seconds to import: composing, --help, mistakes and what works on stored records
    must not wait for it.

    Args:
        name: Its name, one of ``TASK_NAMES``.
        words: The command line, which tables and choices name as their origin.
    """
    task = resolve_name(TASKS[name])
    bound = partial(task, words=words) if name in _THAT_NAME_THEIR_COMMAND else task
    return cast("Callable[[DictConfig, str], TaskResult]", bound)
