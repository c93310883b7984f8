"""The task that shows the judges of a sweep on one page. Imports no torch."""

from omegaconf import DictConfig

from exray.app.run_folders import cells, results_folder
from exray.app.task_result import TaskResult
from exray.app.tasks.compare import REFERENCE, by_judge
from exray.reports.dashboard import write_dashboard
from exray.results.collection import collect
from exray.results.store import ResultStore


def dashboard(config: DictConfig, cell: str = "") -> TaskResult:
    """Writes ``dashboard.html``: judges side by side, curves, and every model's trigger cards.

    Args:
        config: The composed configuration; ``name`` says which sweep, or which single run.
        cell: Folder within the sweep; empty for all of it.

    Raises:
        ValueError: If nothing is stored under that name.
    """
    name = config.name or config.dataset.name
    root = results_folder(config, name, cell)
    folders = [root] if ResultStore(root).model_ids() else cells(root)
    if not folders:
        raise ValueError(f"{root} holds no records; scan first, or give name=NAME")
    stores = {folder.name: ResultStore(folder) for folder in folders}
    names = by_judge({key: collect(store).frame for key, store in stores.items()})
    judged = dict(zip(names, stores.values(), strict=True))
    reference = REFERENCE if REFERENCE in judged else next(iter(judged))
    page = root / "dashboard.html"
    write_dashboard(judged, page, f"exray: {name}", reference=reference)
    return TaskResult(lines=(str(page),), status=0)
