"""Image files that say their class in their name, as TrojAI's examples do."""

import re
from dataclasses import dataclass
from pathlib import Path

_EXAMPLE = re.compile(r"class_([0-9]+)(?:_trigger_([0-9]+))?_example_([0-9]+)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class ExampleName:
    """What an example image's name says.

    Args:
        class_index: The image's true class, before any trigger.
        trigger: Number of the trigger in it; None for a clean image and for round 3.
        example: Number of the example.
    """

    class_index: int
    trigger: int | None
    example: int


def example_name(name: str) -> ExampleName | None:
    """What an example's file name says; None where it is no example's.

    Other readers split the name at underscores and take the third from the end, which for round
    4's poisoned examples is the trigger.

    Args:
        name: With or without an ending.

    Example:
        >>> example_name("class_3_example_12.png").class_index
        3
        >>> example_name("class_3_trigger_1_example_12.png")
        ExampleName(class_index=3, trigger=1, example=12)
    """
    match = _EXAMPLE.fullmatch(Path(name).stem)
    if match is None:
        return None
    return ExampleName(
        class_index=int(match[1]),
        trigger=None if match[2] is None else int(match[2]),
        example=int(match[3]),
    )
