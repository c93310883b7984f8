"""Drawings of an experiment's rows."""

import sys

import pytest

from exray.experiments.figures import new_figure


def test_without_matplotlib_a_drawing_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    with pytest.raises(ValueError, match=r"figures needs matplotlib, .*'exray\[figures\]'"):
        new_figure(1.0, 1.0)
