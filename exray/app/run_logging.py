"""The logger that a task reports to. Imports no torch."""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from exray.app.instantiate import built
from exray.reports.loggers.base import RunLogger

COMPARISON = "comparison"


def built_logger(
    config: DictConfig, folder: Path, name: str, cell: str, *, job_type: str = ""
) -> RunLogger:
    """The task's logger; one that needs it gets the run's folder, name and configuration.

    Args:
        config: The composed configuration.
        folder: The run's folder.
        name: The run's name, by which its cells are grouped.
        cell: Folder of its cell within a sweep; empty for a single run.
        job_type: What the log is of, where it is not of a run's scans: a log of its own each time.
    """
    filled: dict[object, object] = {
        key: value for key, value in config.logger.items() if key != "needs_run"
    }
    if config.logger.needs_run:
        part = "" if config.shard == "0/1" else f" shard {config.shard}"
        part += f" worker {config.worker}" if config.worker else ""
        part += f" {job_type}" if job_type else ""
        filled |= {
            "directory": folder,
            "name": f"{cell or name}{part}",
            "group": name,
            "config": OmegaConf.to_container(config, resolve=True),
            "tags": [config.dataset.name, config.scanner.name, config.judge.name],
            "job_type": job_type or config.judge.name,
            "key": "" if job_type else f"{folder.absolute()}{part}",
        }
    return built(OmegaConf.create(filled, flags={"allow_objects": True}), RunLogger)
