"""The task that shows the judges of a sweep on one page. Imports no torch."""

from omegaconf import DictConfig

from exray.app.run_folders import cells, results_folder
from exray.app.task_result import TaskResult
from exray.app.tasks.compare import REFERENCE, by_judge
from exray.reports.dashboard import write_dashboard
from exray.reports.html_report import REPORT_FILE
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
    stored = {folder.name: collect(ResultStore(folder)) for folder in folders}
    judges = by_judge({key: collection.frame for key, collection in stored.items()})
    collections = dict(zip(judges, stored.values(), strict=True))
    reports = {judge: folder / REPORT_FILE for judge, folder in zip(judges, folders, strict=True)}
    reference = REFERENCE if REFERENCE in collections else next(iter(collections))
    page = root / "dashboard.html"
    title = f"exray: {name}"
    write_dashboard(collections, page, title, reference=reference, reports=reports)
    return TaskResult(lines=(str(page),), status=0)
