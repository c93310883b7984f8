"""``exray scan``: one model file with a folder of clean images, by ordinary flags."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from exray.app.newcomer_checks import (
    check_architecture_name,
    check_factory,
    check_file,
    check_images,
)
from exray.presets.conf import conf_folder, option_names

MISTAKE, INTERRUPTED = 2, 130
STATUS = {"clean": 0, "natural-only": 0, "trojaned": 1, "failed": 2, "inconclusive": 3}
FLAGS = {  # configuration key: what the command calls it
    "dataset.model": "FILE",
    "dataset.images": "--images",
    "dataset.architecture": "--architecture",
    "dataset.factory": "--factory",
    "dataset.num_classes": "--num-classes",
    "dataset.limit_per_class": "--images-per-class",
    "dataset.preprocess.size": "--size",
    "dataset.preprocess.crop": "--crop",
    "dataset.preprocess.mean": "--mean",
    "dataset.preprocess.std": "--std",
    "dataset.preprocess.scaling": "--scaling",
    "scanner.triggers": "--triggers",
    "layer.name": "--layer",
    "paths.results": "--results",
    "trainer.accelerator": "--device",
    "trainer.threads": "--threads",
    "seed": "--seed",
    "name": "--name",
}


def scan_file(
    values: Mapping[str, object], *, scanner: str | None, judge: str | None, fast: bool
) -> int:
    """Scans one model file, prints its line and returns the exit status.

    Args:
        values: Values by configuration key, one of ``FLAGS``; None leaves the default.
        scanner: Option of ``conf/scanner``; None for the default.
        judge: Option of ``conf/judge``; None for the default.
        fast: Whether to make the smallest scan that still does everything.

    Returns:
        0 for clean or natural-only, 1 for trojaned, 2 for a mistake or a failed scan, 3 for
        inconclusive, 130 when interrupted.
    """
    try:
        check_values(values)
        choices = _choices(scanner=scanner, judge=judge)
        lines = _scanned(values, [*choices, *(["debug=fast"] if fast else [])])
    except (ValueError, OSError) as error:
        sys.stderr.write(f"exray: {in_flags(str(error))}\n")
        return MISTAKE
    except KeyboardInterrupt:
        sys.stderr.write("exray: interrupted; the same command starts again\n")
        return INTERRUPTED
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return STATUS[lines[-1].split("\t")[1]]


def check_values(values: Mapping[str, object]) -> None:
    """Refuses files, folders and names that do not exist, before anything slow is imported.

    Args:
        values: Values by configuration key.

    Raises:
        ValueError: Which, and what it must be.
    """
    checks = {
        "dataset.model": check_file,
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


def in_flags(text: str) -> str:
    """A message with the command's flags in place of configuration keys.

    Args:
        text: The message.

    Example:
        >>> in_flags("dataset.preprocess.crop must be >= 1; got dataset.images=x")
        '--crop must be >= 1; got --images x'
    """
    for key, flag in sorted(FLAGS.items(), key=lambda item: -len(item[0])):
        if "." in key:
            text = text.replace(f"{key}=", f"{flag} ").replace(key, flag)
    return text.replace("another name=...", "another --name")


def _choices(*, scanner: str | None, judge: str | None) -> list[str]:
    """The groups' options as Hydra's overrides; names that exist need no quotes."""
    chosen = [(group, name) for group, name in (("scanner", scanner), ("judge", judge)) if name]
    for group, name in chosen:
        if name not in option_names(group):
            raise ValueError(f"--{group} must be one of {', '.join(option_names(group))}")
    return [f"{group}={name}" for group, name in chosen]


def _scanned(values: Mapping[str, object], choices: Sequence[str]) -> tuple[str, ...]:
    """Composes the configuration, sets the values as objects, and scans."""
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    from exray.app.composition import composed
    from exray.app.config import register
    from exray.app.run_command import run_task

    register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        composition = composed(["dataset=folder", *choices], whole=False)
    for key, value in values.items():
        if value is not None:
            OmegaConf.update(composition.config, key, _as_yaml(value), merge=False)
    result = run_task(composition.config, "", ())
    if result.mistake:
        raise ValueError(result.mistake)
    return result.lines


def _as_yaml(value: object) -> object:
    """A value as the configuration holds it; text is no interpolation."""
    if isinstance(value, Path | str):
        return str(value).replace("${", "\\${")
    return list(value) if isinstance(value, tuple) else value
