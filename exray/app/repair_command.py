"""``exray repair``: one model file with a folder of clean images, by ordinary flags."""

import sys
from collections.abc import Mapping
from pathlib import Path

from exray.app.exit_status import INTERRUPTED, MISTAKE
from exray.app.scan_command import FLAGS, check_values, group_choices, in_flags, task_line

STATUS = {"repaired": 0, "forced": 0, "refused": 1, "failed": 2, "nothing": 3}
REPAIR_FLAGS = {  # configuration key: what the command calls it
    "repair.output": "--output",
    "repair.force=true": "--force",
    "repair.settings.triggers=all": "--all-triggers",
    "repair.settings.rounds": "--rounds",
    "repair.settings.max_accuracy_drop": "--max-accuracy-drop",
    "max_accuracy_drop": "--max-accuracy-drop",
}


def repair_file(
    values: Mapping[str, object], options: Mapping[str, str | None], *, fast: bool
) -> int:
    """Repairs one model file, prints its line and returns the exit status.

    Args:
        values: Values by configuration key, ``repair.output`` among them; None leaves the default.
        options: Option of each group of ``conf``; None for the default.
        fast: Whether to make the smallest scans that still do everything.

    Returns:
        0 where repaired weights were written, 1 where they were not good enough, 2 for a mistake
        or a failure, 3 where there was nothing to unlearn, 130 when interrupted.
    """
    output = Path(str(values["repair.output"]))
    if output.exists():
        sys.stderr.write(f"exray: --output must be a new file, and {output} exists; name another\n")
        return MISTAKE
    words = ["task=repair", *(["debug=fast"] if fast else [])]
    try:
        check_values(values)
        line, _ = task_line(values, [*group_choices(options), *words])
    except (ValueError, OSError) as error:
        sys.stderr.write(f"exray: {in_flags(str(error), {**FLAGS, **REPAIR_FLAGS})}\n")
        return MISTAKE
    except KeyboardInterrupt:
        sys.stderr.write("exray: interrupted; the same command starts again\n")
        return INTERRUPTED
    sys.stdout.write(f"{line}\n")
    return STATUS[line.split("\t")[1]]
