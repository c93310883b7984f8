"""Layouts that people have: each loads with the right weights, or is refused for a true reason."""

import re
from pathlib import Path

import pytest
from checkpoint_layouts import LAYOUTS, answer

PAGE = Path(__file__).parents[3] / "docs" / "checkpoint-layouts.md"
REASONS = {
    "student and teacher, no choice": "fitting under several prefixes: student., teacher.; choose",
    "int8, dynamically quantised": "a sparse, quantised or empty tensor; save plain dense weights",
    "a whole network of its own class, unnamed": r"classes are code \(.*Net\) .*; give exactly one",
    "code beside the weights": r"would run code when loaded \(builtins.exec\)",
    "a list of tensors without names": "holds a list, not a state dict; save it again with torch",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", LAYOUTS)
def test_each_layout_loads_or_says_why_not(tmp_path, name):
    found = answer(LAYOUTS[name], tmp_path)
    if LAYOUTS[name].loads:
        assert found == "loads"
    else:
        assert re.search(REASONS[name], found)


def test_the_manual_lists_them():
    rows = re.findall(r"^\| (?!layout |---)(.+?) \| .* \|$", PAGE.read_text(), re.MULTILINE)
    assert rows == list(LAYOUTS)
    assert set(REASONS) == {name for name, layout in LAYOUTS.items() if not layout.loads}
    assert "OTHER" not in PAGE.read_text()
