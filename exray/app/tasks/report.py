"""The task that makes tables and the report of stored records anew."""

from omegaconf import DictConfig

from exray.app.publishing import publish, stderr_console, write_results
from exray.app.run_folders import require_records, results_folder
from exray.app.task_result import TaskResult
from exray.results.store import ResultStore


def report(config: DictConfig, cell: str = "") -> TaskResult:
    """Tables and the HTML report of stored records, without scanning.

    Raises:
        ValueError: If no name is given, or nothing is stored under it.
    """
    name = config.name or config.dataset.name
    store = ResultStore(results_folder(config, name, cell))
    require_records(store.root, name)
    stored = tuple(store.model_ids())
    collection = write_results(store, stored, name)
    return publish(collection, stored, store.root, stderr_console())
