"""The manual's example of a trigger file is one."""

import re
from pathlib import Path

from exray.triggers.external_file import read_triggers

PAGE = Path(__file__).resolve().parents[2] / "docs" / "external-triggers.md"


def test_the_example_writes_a_file_that_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    exec(code, {})
    (named,) = read_triggers(tmp_path / "found.npz")
    assert (named.name, named.trigger.input_size, named.trigger.size_pixels) == (
        "square",
        (64, 64),
        144,
    )
