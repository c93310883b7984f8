"""The manual's example of a trigger file is one."""

import re
from pathlib import Path

from exray.triggers.external_file import read_triggers

PAGE = Path(__file__).resolve().parents[2] / "docs" / "external-triggers.md"


def test_the_example_writes_a_file_that_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    exec(code, {})
    (found,) = read_triggers(tmp_path / "found.npz")
    assert (found.name, found.trigger.input_size, found.trigger.size_pixels) == (
        "square",
        (64, 64),
        144,
    )
