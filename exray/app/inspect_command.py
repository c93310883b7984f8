"""``exray inspect``: what a model file is and holds, and what to type next."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from exray.app.model_files import named_models
from exray.models.inspection import Inspection, inspect_model
from exray.text import shown

REFUSED = 2
_NUM_LAYERS = 40  # shown of a file's weights; --json has all


def print_inspection(path: str, *, as_json: bool) -> int:
    """Prints what a file is and holds, or each model of a folder.

    Args:
        path: Any file, a hub's folder, or a folder of models.
        as_json: Whether to print JSON instead of text: a list where there are several models.

    Returns:
        The exit status: 0, or 2 where a scan would refuse the file, or one of them.
    """
    try:
        models = named_models([path], ())
    except ValueError as error:
        sys.stderr.write(f"exray: {error}\n")
        return REFUSED
    found = [inspect_model(Path(model)) for model in models]
    if as_json:
        values = [as_dict(one) for one in found]
        text = json.dumps(values if len(values) > 1 else values[0], indent=1)
    else:
        text = "\n\n".join(map(as_text, found))
    sys.stdout.write(f"{text}\n")
    return REFUSED if any(one.problem for one in found) else 0


def as_dict(found: Inspection) -> dict[str, object]:
    """Everything that was found, as JSON holds it.

    Args:
        found: What a file is and holds.
    """
    return {
        "file": str(found.path),
        "report": dict(found.report),
        "refused": found.problem or None,
        "remarks": list(found.remarks),
        "network": found.network,
        "weights": {name: list(sides) for name, sides in found.shapes.items()},
        "numbers": found.num_numbers,
        "other_weights": list(found.others),
        "architectures": [
            {
                "name": one.name,
                "share": round(one.share, 4),
                "num_classes": one.num_classes,
                "changes": list(one.changes),
            }
            for one in found.architectures
        ],
        "command": found.command or None,
    }


def as_text(found: Inspection) -> str:
    """What was found, for a reader.

    Args:
        found: What a file is and holds.
    """
    lines = [f"{found.path}: {found.report['form']}"]
    lines += [f"  {name}: {value}" for name, value in found.report.items() if name != "form"]
    if found.problem:
        return "\n".join([*lines, f"refused: it {found.problem}"])
    lines += [f"note: {remark}" for remark in found.remarks]
    if found.network is not None:
        lines.append(f"network: {found.network}, whole; it needs neither architecture nor factory")
    lines.append(f"weights: {len(found.shapes)} tensors, {found.num_numbers} numbers")
    rows = list(found.shapes.items())
    lines += [
        f"  {shown(name)}  {' x '.join(map(str, sides)) or 'one number'}"
        for name, sides in rows[:_NUM_LAYERS]
    ]
    if len(rows) > _NUM_LAYERS:
        lines.append(f"  ... and {len(rows) - _NUM_LAYERS} more; --json lists all")
    lines += [f"other weights: {shown(key)}" for key in found.others]
    lines += _architectures(found)
    return "\n".join([*lines, f"next: {found.command}"])


def _architectures(found: Inspection) -> list[str]:
    if found.network is not None:
        return []
    if not found.architectures:
        return ["architecture: none of torchvision's and timm's has these names and shapes"]
    return [
        f"architecture: {one.name}"
        + (
            f", all names and shapes, {one.num_classes} classes{_changed(one.changes)}"
            if one.num_classes is not None
            else f", {one.share:.0%} of names and shapes"
        )
        for one in found.architectures
    ]


def _changed(changes: Sequence[str]) -> str:
    return f", since {'; '.join(changes)}" if changes else ""
