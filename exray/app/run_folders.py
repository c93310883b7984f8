"""The folders of runs and of sweeps' cells. Imports no torch."""

from pathlib import Path

from omegaconf import DictConfig

from exray.results.mirror import RunMirror
from exray.results.store import RECORD_FILES, ResultStore
from exray.storage.remote_files import is_url
from exray.storage.remote_folder import RemoteFolder


def results_folder(config: DictConfig, name: str, cell: str) -> Path:
    """The folder of a run's records; every cell of a sweep has its own.

    Raises:
        ValueError: If the name leads out of the folder of all results.
    """
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(
            f"name must lead to a folder below {config.paths.results}, which paths.results "
            f"chooses; got {name!r}"
        )
    root = Path(config.paths.results) / name
    return root / cell if cell else root


def run_store(config: DictConfig, name: str, cell: str) -> ResultStore:
    """The records of a run that scans, which ``paths.publish`` also puts into an object store.

    Args:
        config: The composed configuration.
        name: The run's name.
        cell: Folder of its cell within a sweep; empty for a single run.

    Raises:
        ValueError: If the name leads out of the folder of all results, or ``paths.publish`` is no
            URL of an object store.
    """
    root = results_folder(config, name, cell)
    url = config.paths.publish
    if url is None:
        return ResultStore(root)
    if not is_url(str(url)):
        raise ValueError(
            f"paths.publish must be null or a URL such as s3://bucket/results; got {url!r}; "
            "a folder is what paths.results is for"
        )
    folder = RemoteFolder("/".join(part for part in (str(url).rstrip("/"), name, cell) if part))
    return ResultStore(root, mirror=RunMirror(folder, files=RECORD_FILES))


def require_records(root: Path, name: str) -> None:
    """Refuses a folder in which no run left records; of a sweep's it names the cells.

    Args:
        root: The run's folder.
        name: What chose it.

    Raises:
        ValueError: If there are none.
    """
    if ResultStore(root).model_ids():
        return
    if names := [cell.name for cell in cells(root)]:
        raise ValueError(
            f"{root} holds a sweep, not a single run; choose one of its cells with "
            f"\"name='{name}/CELL'\": {', '.join(names)}"
        )
    raise ValueError(f"{root} holds no records; scan first, or give name=NAME")


def cells(root: Path) -> list[Path]:
    """Folders of a sweep that hold records, by name.

    Args:
        root: The sweep's folder.
    """
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if ResultStore(path).model_ids())
