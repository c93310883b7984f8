"""``exray scan``: models with a folder of clean images, by ordinary flags."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exray.app.exit_status import INTERRUPTED, MISTAKE, STATUS, worst_status
from exray.app.model_files import named_models, run_names
from exray.app.newcomer_checks import (
    check_architecture_name,
    check_factory,
    check_file,
    check_images,
    check_model,
)
from exray.app.path_words import at_home
from exray.presets.conf import conf_folder, option_names

FORMATS = ("text", "json", "sarif", "html")
FLAGS = {  # configuration key: what the command calls it
    "dataset.model": "FILE",
    "dataset.images": "--images",
    "dataset.architecture": "--architecture",
    "dataset.factory": "--factory",
    "dataset.num_classes": "--num-classes",
    "dataset.weights": "--weights",
    "dataset.limit_per_class": "--images-per-class",
    "dataset.preprocess.size": "--size",
    "dataset.preprocess.crop": "--crop",
    "dataset.preprocess.mean": "--mean",
    "dataset.preprocess.std": "--std",
    "dataset.preprocess.scaling": "--scaling",
    "dataset.preprocess.exif_orientation": "--exif-orientation",
    "dataset.class_order": "--class-order",
    "dataset.batch_statistics": "--batch-statistics",
    "dataset.preprocess.interpolation": "--interpolation",
    "dataset.preprocess.channels": "--channels",
    "dataset.preprocess.layout": "--layout",
    "scanner.triggers": "--triggers",
    "layer.name": "--layer",
    "paths.results": "--results",
    "trainer.accelerator": "--device",
    "trainer.threads": "--threads",
    "seed": "--seed",
    "name": "--name",
}
_SAID_IN_PYTHON = {  # as messages that do not know of the command line have it
    "another name=...": "another --name",
    "architecture=NAME": "--architecture NAME",
    "factory=FILE.py:": "--factory FILE.py:",
    "give a factory, FILE.py:": "give --factory FILE.py:",
}
_TRIAL = "exray: --fast tries files and flags; scan without it for a verdict to act on\n"
GROUP_FLAGS = {"repair": "--method"}  # groups that flags call something else


@dataclass(frozen=True, kw_only=True)
class ModelRun:
    """What came of one model.

    Args:
        file: The model, as it was named.
        line: Its machine-readable line; empty where a mistake kept it from being scanned.
        folder: Where its record lies; None without one.
        mistake: The mistake; empty where there was none.
    """

    file: str
    line: str = ""
    folder: Path | None = None
    mistake: str = ""

    @property
    def status(self) -> int:
        """The exit status for this model alone."""
        return STATUS[self.line.split("\t")[1]] if self.line else MISTAKE


def scan_models(
    words: Sequence[str],
    values: Mapping[str, object],
    *,
    scanner: str | None = None,
    judge: str | None = None,
    fast: bool = False,
    name: str | None = None,
    form: str = "text",
    output: str | None = None,
) -> int:
    """Scans the models that a command line names, writes what came of them, returns the status.

    Args:
        words: Files, folders and ``-``, as :func:`exray.app.model_files.named_models` takes them.
        values: Values by configuration key, one of ``FLAGS``; None leaves the default.
        scanner: Option of ``conf/scanner``; None for the default.
        judge: Option of ``conf/judge``; None for the default.
        fast: Whether to make the smallest scan that still does everything.
        name: The run's folder; of several models that of their runs. None for the files' names.
        form: ``text`` for a line per model, ``json``, ``sarif`` or ``html``.
        output: File for it; None for stdout.

    Returns:
        0 for clean or natural-only, 1 for trojaned, 2 for a mistake or a failed scan, 3 for
        inconclusive, of several models the worst; 130 when interrupted.
    """
    values = {k: at_home(v) if isinstance(v, str) else v for k, v in values.items()}
    try:
        _check_output(output)
        choices = group_choices({"scanner": scanner, "judge": judge})
        models = named_models(words, sys.stdin)
        names = run_names(models, name)
        jobs = [
            {**values, "dataset.model": model, "name": own}
            for model, own in zip(models, names, strict=True)
        ]
        is_stream = form == "text" and output is None
        runs = _runs(jobs, [*choices, *(["debug=fast"] if fast else [])], is_stream=is_stream)
        if fast and any(run.line for run in runs):
            sys.stderr.write(_TRIAL)
        status = worst_status([run.status for run in runs])
        if not is_stream:
            _write(runs, form, output, status)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"exray: {in_flags(str(error))}\n")
        return MISTAKE
    except KeyboardInterrupt:
        sys.stderr.write("exray: interrupted; the same command starts again\n")
        return INTERRUPTED
    return status


def _runs(
    jobs: Sequence[Mapping[str, object]], choices: Sequence[str], *, is_stream: bool
) -> list[ModelRun]:
    """Scans one model after the other; a mistake in one of several does not stop the others.

    Of a stream each line is printed when its model is done.
    """
    runs = []
    for place, values in enumerate(jobs, start=1):
        model = str(values["dataset.model"])
        if len(jobs) > 1:
            sys.stderr.write(f"exray: {place} of {len(jobs)}: {model}\n")
        try:
            check_values(values)
            runs.append(_scanned(values, choices))
        except (ValueError, OSError) as error:
            mistake = in_flags(str(error))
            sys.stderr.write(f"exray: {f'{model}: ' if len(jobs) > 1 else ''}{mistake}\n")
            runs.append(ModelRun(file=model, mistake=mistake))
        if is_stream and runs[-1].line:
            sys.stdout.write(f"{runs[-1].line}\n")
            sys.stdout.flush()
    return runs


def _write(runs: Sequence[ModelRun], form: str, output: str | None, status: int) -> None:
    """Writes what came of the models, to a file or to stdout."""
    if form == "text":
        content = "".join(f"{run.line}\n" for run in runs if run.line).encode()
    elif form == "html" and not any(run.line for run in runs):
        return  # the mistakes are on stderr
    else:
        from exray.app.scan_output import document

        content = document(runs, form, status=status)
    if output is not None:
        from exray.storage.atomic_files import replace_file

        replace_file(Path(output), content)
        return
    sys.stdout.write(content.decode())


def _check_output(output: str | None) -> None:
    """Refuses a file for the answer that cannot be written, before anything is scanned."""
    if output is not None and (
        Path(output).is_dir() or not Path(output).absolute().parent.is_dir()
    ):
        raise ValueError(
            f"--output must be a file in a folder that exists; got {output!r}; --results DIR is "
            "the folder of all runs"
        )


def check_values(values: Mapping[str, object]) -> None:
    """Refuses files, folders and names that do not exist, before anything slow is imported.

    Args:
        values: Values by configuration key.

    Raises:
        ValueError: Which, and what it must be.
    """
    checks = {
        "dataset.model": check_model,
        "dataset.images": check_images,
        "dataset.architecture": check_architecture_name,
        "dataset.factory": check_factory,
        "scanner.triggers": check_file,
    }
    for key, check in checks.items():
        if values.get(key) is not None:
            check(str(values[key]), FLAGS[key])
    if values.get("dataset.architecture") and values.get("dataset.factory"):
        raise ValueError("give --architecture or --factory, not both")


def in_flags(text: str, flags: Mapping[str, str] = FLAGS) -> str:
    """A message with the command's flags in place of configuration keys.

    Args:
        text: The message.
        flags: What the command calls each key.

    Example:
        >>> in_flags("dataset.preprocess.crop must be >= 1; got dataset.images=x")
        '--crop must be >= 1; got --images x'
    """
    for key, flag in sorted(flags.items(), key=lambda item: -len(item[0])):
        if "." in key:
            text = text.replace(f"{key}=", f"{flag} ").replace(key, flag)
    for written, flag in _SAID_IN_PYTHON.items():
        text = text.replace(written, flag)
    return text


def group_choices(options: Mapping[str, str | None]) -> list[str]:
    """Options of groups as Hydra's overrides; names that exist need no quotes.

    Args:
        options: By group of ``conf``; None for the default.

    Raises:
        ValueError: If a group has no such option.
    """
    chosen = {group: name for group, name in options.items() if name}
    for group, name in chosen.items():
        if name not in option_names(group):
            flag = GROUP_FLAGS.get(group, f"--{group}")
            raise ValueError(f"{flag} must be one of {', '.join(option_names(group))}")
    return [f"{group}={name}" for group, name in chosen.items()]


def _scanned(values: Mapping[str, object], choices: Sequence[str]) -> ModelRun:
    """Scans one model."""
    line, folder = task_line(values, choices)
    return ModelRun(file=str(values["dataset.model"]), line=line, folder=folder)


def task_line(values: Mapping[str, object], words: Sequence[str]) -> tuple[str, Path]:
    """Composes the configuration of a model file, sets the values as objects, and runs its task.

    Args:
        values: Values by configuration key; None leaves the default.
        words: Options and settings, ``KEY=VALUE``.

    Returns:
        The task's last line, and the run's folder.

    Raises:
        ValueError: What is wrong, in one line.
    """
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    from exray.app.composition import composed
    from exray.app.config import register
    from exray.app.run_command import run_task

    register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        composition = composed(["dataset=folder", *words], whole=False)
    for key, value in values.items():
        if value is not None:
            OmegaConf.update(composition.config, key, _as_yaml(value), merge=False)
    result = run_task(composition.config, "", ())
    if result.mistake:
        raise ValueError(result.mistake)
    folder = Path(composition.config.paths.results) / str(composition.config.name)
    return result.lines[-1], folder


def _as_yaml(value: object) -> object:
    """A value as the configuration holds it; text is no interpolation."""
    if isinstance(value, Path | str):
        return str(value).replace("${", "\\${")
    return list(value) if isinstance(value, tuple) else value
