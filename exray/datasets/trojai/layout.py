"""What a TrojAI round's files say beside the network: names of examples, metadata, ground truth."""

import csv
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

Facts = Mapping[str, str]
"""What is known of one model, by lower-case key; lists are comma-joined."""

_FOLDERS = ("clean_example_data", "example_data")  # rounds 3 and 4; round 2
_TRIGGER = re.compile(r"triggers?_([0-9]+)_(.+)")
_NOTHING = ("", "none", "null", "nan")


def examples_folder(folder: Path) -> Path:
    """The folder of a model's clean examples.

    Args:
        folder: The model's own, ``id-########``.

    Raises:
        ValueError: If there is none.
    """
    for name in _FOLDERS:
        if (folder / name).is_dir():
            return folder / name
    raise ValueError(
        f"{folder} must hold clean images in {' or '.join(_FOLDERS)}; it has neither; copy the "
        "whole round"
    )


def read_config(path: Path) -> dict[str, str]:
    """A model's ``config.json`` with lower-case keys, in either of its two forms.

    Round 2 wrote a flat dictionary in capitals, round 4 a jsonpickle of an object, whose classes
    are not looked at. The triggers of the latter become ``triggers_0_type`` and so on, as
    METADATA.csv calls them.

    Args:
        path: The file.

    Raises:
        ValueError: If it is no JSON object.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "config.json"
        >>> _ = path.write_text('{"py/object": "a.B", "triggers": [{"type": "polygon"}]}')
        >>> read_config(path)
        {'triggers_0_type': 'polygon'}
    """
    try:
        values: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON ({error}); copy the round again") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path} must hold a JSON object; copy the round again")
    return dict(_flattened(values, ""))


def _flattened(values: Mapping[str, object], prefix: str) -> Iterable[tuple[str, str]]:
    state = values.get("py/state")
    if isinstance(state, dict):
        values = state
    for key, value in values.items():
        name = f"{prefix}{key}".lower()
        if key.startswith("py/"):
            continue
        if key.lower() == "triggers" and isinstance(value, list):
            for index, trigger in enumerate(value):
                if isinstance(trigger, dict):
                    yield from _flattened(trigger, f"triggers_{index}_")
        elif not isinstance(value, dict):
            yield name, _text(value)


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(_text(item) for item in value)
    return str(value)


def read_metadata(root: Path) -> dict[str, dict[str, str]]:
    """The rows of METADATA.csv by model name, with lower-case keys; empty without the file.

    Args:
        root: The round's folder.

    Raises:
        ValueError: If the table names no models.
    """
    path = root / "METADATA.csv"
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = [
            {str(key).strip().lower(): (value or "").strip() for key, value in row.items()}
            for row in csv.DictReader(file)
        ]
    if rows and "model_name" not in rows[0]:
        raise ValueError(
            f"{path} must have a column model_name; it has: {', '.join(rows[0])}; "
            "copy the round again"
        )
    return {row["model_name"]: row for row in rows}


def read_ground_truth(folder: Path, facts: Facts) -> bool | None:
    """Whether a model is trojaned; None where it is unknown.

    Args:
        folder: The model's own; ``ground_truth.csv`` in it is asked first.
        facts: Its metadata, asked next.

    Raises:
        ValueError: If ``ground_truth.csv`` holds something else than 0 or 1.
    """
    path = folder / "ground_truth.csv"
    if path.is_file():
        text = path.read_text(encoding="utf-8").strip()
        try:
            return {0.0: False, 1.0: True}[float(text)]
        except (ValueError, KeyError) as error:
            raise ValueError(f"{path} must hold 0 or 1; got {text[:40]!r}") from error
    answer = facts.get("poisoned", "").lower()
    return {"true": True, "1": True, "false": False, "0": False}.get(answer)


@dataclass(frozen=True, kw_only=True)
class TrojaiTrigger:
    """What is known of one injected trigger.

    Args:
        kind: ``polygon`` or ``instagram``, with the filter's name.
        victim_classes: Classes that it flips.
        target_class: Class that it flips them to; None where it is unknown.
        condition: What it depends on, as round 4 says it; empty for nothing.
    """

    kind: str
    victim_classes: tuple[int, ...]
    target_class: int | None
    condition: str


def triggers_of(facts: Facts) -> tuple[TrojaiTrigger, ...]:
    """The injected triggers of a model, from the metadata of any round.

    Args:
        facts: As :func:`read_config` or a row of :func:`read_metadata` gives them.

    Example:
        >>> triggers_of({"trigger_type": "polygon", "triggered_classes": "[1 4]",
        ...     "trigger_target_class": "2"})[0].victim_classes
        (1, 4)
    """
    if not is_nothing(facts.get("trigger_type", "")):
        option = facts.get("instagram_filter_type", facts.get("trigger_type_option", ""))
        return (
            TrojaiTrigger(
                kind=_kind(facts["trigger_type"], option),
                victim_classes=_numbers(facts.get("triggered_classes", "")),
                target_class=_number(facts.get("trigger_target_class", "")),
                condition="",
            ),
        )
    numbered: dict[int, dict[str, str]] = {}
    for key, value in facts.items():
        match = _TRIGGER.fullmatch(key)
        if match is not None and not is_nothing(value):
            numbered.setdefault(int(match[1]), {})[match[2]] = value
    return tuple(_numbered(numbered[index]) for index in sorted(numbered))


def _numbered(values: Facts) -> TrojaiTrigger:
    return TrojaiTrigger(
        kind=_kind(values.get("type", ""), values.get("instagram_filter_type", "")),
        victim_classes=_numbers(values.get("source_class", "")),
        target_class=_number(values.get("target_class", "")),
        condition=values.get("condition", ""),
    )


def _kind(kind: str, option: str) -> str:
    return f"{kind} {option}" if kind == "instagram" and not is_nothing(option) else kind


def is_nothing(value: str) -> bool:
    """Whether a table's value says that there is none.

    Example:
        >>> is_nothing("None"), is_nothing("0")
        (True, False)
    """
    return value.strip().lower() in _NOTHING


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"[0-9]+", text))


def _number(text: str) -> int | None:
    numbers = _numbers(text)
    return numbers[0] if numbers else None
