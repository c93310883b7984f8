"""Lets mkdocstrings read the docstrings as they are written: a griffe extension."""

import re
from typing import Any

import griffe


class HouseDocstrings(griffe.Extension):
    """Shows ``Example:`` as code rather than prose, and roles as plain code."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:  # noqa: ANN401
        """Rewrites one docstring before it is parsed."""
        if obj.docstring is None:
            return
        text = re.sub(r"^(\s*)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE)
        obj.docstring.value = re.sub(r":(?:func|class|meth):`~?([^`]+)`", r"`\1`", text)
