"""The command ``exray``. Imports nothing slow before a subcommand's arguments are checked."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from exray.app.exit_status import MISTAKE
from exray.app.repair_command import repair_file
from exray.app.scan_command import FLAGS, FORMATS, scan_models
from exray.version import own_version

_PASSED_ON = {"ignore_unknown_options": True, "help_option_names": []}
_COMMAS = "numbers with commas between them, red, green and blue"


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command and exits.

    Args:
        arguments: Words after the program's name; the process's own where None.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = exray.main(words, prog_name="exray", standalone_mode=False)
    except click.MissingParameter as error:
        sys.stderr.write(f"exray: {_missing(error)}\n")
        status = MISTAKE
    except click.ClickException as error:
        sys.stderr.write(f"exray: {' '.join(error.format_message().split())}\n")
        status = MISTAKE
    except (click.Abort, KeyboardInterrupt):
        status = 130
    if status:
        sys.exit(status)


def _missing(error: click.MissingParameter) -> str:
    """What must be given, and what it is."""
    parameter, said = error.param, " ".join(error.format_message().split())
    if isinstance(parameter, click.Option) and parameter.help:
        return f"{parameter.opts[0]} {parameter.metavar or ''} must be given: {parameter.help}"
    return said


def _numbers(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[float, ...] | None:
    """The numbers of a text such as ``0.485,0.456,0.406``; of ``none``, no number."""
    try:
        if value is None or value == "none":
            return None if value is None else ()
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        message = f"{value!r} must be {_COMMAS}, such as 0.485,0.456,0.406"
        raise click.BadParameter(message, context, parameter) from None


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="The manual is in docs/; exray COMMAND --help says more.",
    no_args_is_help=False,
)
@click.version_option(own_version(), message="exray %(version)s")
def exray() -> None:
    """Is this image classifier backdoored, or does it just confuse two classes that look alike?"""


@exray.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--images", required=True, metavar="DIR", help="Clean images: one subfolder per class."
)
@click.option("--architecture", metavar="NAME", help="The file's network: resnet18, timm/NAME, ...")
@click.option("--factory", metavar="FILE.py:FUNCTION", help="Builds the network; it is executed.")
@click.option("--num-classes", type=click.IntRange(min=2), help="Read from the weights by default.")
@click.option("--weights", metavar="KEY", help="Which of several weights in FILE: KEY, or ema.")
@click.option(
    "--images-per-class", type=click.IntRange(min=1), help="At most so many.  [default: 40]"
)
@click.option(
    "--size", type=click.IntRange(min=1), help="Resize the shorter side to so many pixels."
)
@click.option("--crop", type=click.IntRange(min=1), help="Then crop the centre, in pixels.")
@click.option("--mean", callback=_numbers, metavar="R,G,B", help="Subtracted after scaling.")
@click.option("--std", callback=_numbers, metavar="R,G,B", help="Divided by, then.")
@click.option(
    "--scaling",
    type=click.Choice(["unit", "min_max", "byte"]),
    help="Pixels in [0, 1], each image stretched to [0, 1], or 0 to 255.  [default: unit]",
)
@click.option(
    "--exif-orientation",
    is_flag=True,
    default=None,
    help="Turn images as their EXIF orientation says.  [default: as they are stored]",
)
@click.option(
    "--interpolation",
    type=click.Choice(["bilinear", "bicubic", "nearest", "box", "lanczos"]),
    help="Of the resizing.  [default: bilinear]",
)
@click.option(
    "--class-order",
    type=click.Choice(["index", "string", "one_based", "one_based_string", "background_first"]),
    help="How folders called by numbers are counted.  [default: index]",
)
@click.option(
    "--batch-statistics",
    type=click.Choice(["stored", "images"]),
    help="Where batch norms take theirs from.  [default: stored]",
)
@click.option(
    "--channels",
    type=click.Choice(["auto", "rgb", "bgr", "grey", "rgba"]),
    help="What the network was trained on; bgr with OpenCV.  [default: auto]",
)
@click.option(
    "--layout",
    type=click.Choice(["channels_first", "channels_last"]),
    help="Order of its images' axes.  [default: channels_first]",
)
@click.option("--scanner", metavar="NAME", help="Inverts triggers.  [default: portfolio]")
@click.option("--triggers", metavar="FILE", help="Judge another tool's triggers instead.")
@click.option(
    "--judge",
    metavar="NAME",
    help="Tells natural triggers from injected ones; exray_uneven where classes had unlike numbers "
    "of training images.  [default: exray_calibrated]",
)
@click.option(
    "--layer", metavar="NAME", help="Where the judge cuts the network.  [default: middle]"
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="text",
    help="A line per model, or a document of all.  [default: text]",
)
@click.option("--output", metavar="FILE", help="Where the answer goes.  [default: stdout]")
@click.option("--results", metavar="DIR", help="Folder of all runs.  [default: results]")
@click.option("--name", help="The run's folder in it.  [default: the file's own name]")
@click.option("--device", type=click.Choice(["auto", "cpu", "gpu"]), help="[default: auto]")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.")
@click.option("--seed", type=int, help="Of every random choice.  [default: 0]")
@click.option("--fast", is_flag=True, help="The smallest scan that still does everything: a trial.")
def scan(
    files: tuple[str, ...],
    scanner: str | None,
    triggers: str | None,
    judge: str | None,
    form: str,
    output: str | None,
    name: str | None,
    fast: bool,
    **settings: object,
) -> int:
    """Scan the model in each FILE with clean images of its classes.

    A folder with a config.json is one model; any other folder stands for the models in it, and -
    for a list of paths on stdin, one a line. All are scanned with the same images and flags.

    On stdout is a line per model: MODEL_ID, VERDICT, PROBABILITY, NUM_TRIGGERS, NUM_INJECTED with
    tabs between them; the answer in words and the place of report.html are on stderr.

    Exit status: 0 clean or natural-only, 1 trojaned, 2 a mistake or a failed scan, 3 inconclusive;
    of several models the worst, in the order 1, 2, 3, 0.
    """
    return scan_models(
        files,
        _values_of_flags(settings) | {"scanner.triggers": triggers},
        scanner="external" if triggers and scanner is None else scanner,
        judge=judge,
        fast=fast,
        name=name,
        form=form,
        output=output,
    )


def _values_of_flags(settings: Mapping[str, object]) -> dict[str, object]:
    """Values by configuration key, of settings by the name of their flag; None where not given."""
    names = {key: flag.lstrip("-").replace("-", "_").lower() for key, flag in FLAGS.items()}
    return {key: settings.get(name) for key, name in names.items()}


_NOT_OF_REPAIR = ("files", "images_per_class", "form", "output", "results", "name")


@exray.command(params=[one for one in scan.params if one.name not in _NOT_OF_REPAIR])
@click.argument("file")
@click.option(
    "-o", "--output", required=True, metavar="FILE", help="New .safetensors file of the weights."
)
@click.option(
    "--images-per-class",
    type=click.IntRange(min=2),
    default=100,
    show_default=True,
    help="At most so many; most are learned from.",
)
@click.option("--method", metavar="NAME", help="How weights are changed.  [default: unlearning]")
@click.option("--all-triggers", is_flag=True, help="Unlearn natural triggers, too; costs accuracy.")
@click.option("--rounds", type=click.IntRange(min=1), help="Of repair and scan.  [default: 3]")
@click.option(
    "--max-accuracy-drop",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="On held-out images.  [default: 0.03]",
)
@click.option("--force", is_flag=True, help="Write even what is not good enough.")
@click.option("--results", metavar="DIR", help="Folder of all runs.  [default: results]")
@click.option("--name", help="The run's folder in it.  [default: the file's name and _repair]")
def repair(
    file: str,
    output: str,
    images_per_class: int,
    method: str | None,
    all_triggers: bool,
    rounds: int | None,
    max_accuracy_drop: float | None,
    force: bool,
    results: str | None,
    name: str | None,
    scanner: str | None,
    triggers: str | None,
    judge: str | None,
    fast: bool,
    **settings: object,
) -> int:
    """Repair the trojaned model in FILE: scan, unlearn what is injected, scan again.

    FILE stays as it is. Part of the images is held out: accuracy and scans are measured on it. The
    repaired weights are written only if accuracy stays within its budget and the scan no longer
    says trojaned, or by --force; their metadata say where they come from. The last line on stdout
    is MODEL_ID, STATUS, ACCURACY before and after, VERDICT before and after, FILE, with tabs.

    Exit status: 0 written, 1 not good enough, 2 a mistake or a failure, 3 nothing to unlearn.
    """
    values = _values_of_flags(settings) | {
        "dataset.model": file,
        "dataset.limit_per_class": images_per_class,
        "paths.results": results,
        "name": name or f"{Path(file).stem}_repair",
        "repair.output": output,
        "repair.force": force,
        "repair.settings.triggers": "all" if all_triggers else None,
        "repair.settings.rounds": rounds,
        "repair.settings.max_accuracy_drop": max_accuracy_drop,
        "scanner.triggers": triggers,
    }
    chosen = "external" if triggers and scanner is None else scanner
    options = {"repair": method, "scanner": chosen, "judge": judge}
    return repair_file(values, options, fast=fast)


@exray.command()
@click.argument("name")
@click.option(
    "--results", metavar="DIR", default="results", help="Folder of all runs.  [default: results]"
)
@click.option("--follow", is_flag=True, help="Look again and again until all models are scanned.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=5.0,
    help="Seconds between two looks.  [default: 5]",
)
def status(name: str, results: str, follow: bool, interval: float) -> None:
    """Say how far the run or sweep NAME is, which another process may be scanning now.

    Models done, failed and why, running where and for how long; models an hour and the time left.
    """
    from exray.app.status_command import show_status

    try:
        show_status(name, Path(results), interval=interval if follow else None)
    except ValueError as error:
        raise click.ClickException(str(error)) from error


@exray.command()
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON.")
def inspect(file: str, as_json: bool) -> int:
    """Say what the model in FILE is, without running it, and what to type next.

    Its form, what it holds and what of it would run, its layers, and the architectures of
    torchvision and timm that have its names and shapes. FILE may be a hub's folder, or a folder of
    models, which are shown one after the other.

    Exit status: 0, or 2 where a scan would refuse the file.
    """
    from exray.app.inspect_command import print_inspection

    return print_inspection(file, as_json=as_json)


@exray.command(context_settings=_PASSED_ON, add_help_option=False)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def run(words: tuple[str, ...]) -> None:
    """Run a task, a sweep or an experiment: KEY=VALUE, as python run.py."""
    from exray.app.run_command import main as run_words

    run_words(words)


@exray.command(context_settings=_PASSED_ON, add_help_option=False)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def trojai(words: tuple[str, ...]) -> None:
    """Answer as a TrojAI container does: one probability, in time (exray-trojai)."""
    from exray.app.trojai.command import main as answer

    answer(words)


if __name__ == "__main__":
    main()
