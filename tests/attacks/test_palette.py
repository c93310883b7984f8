"""Colours of drawn triggers."""

import numpy as np
import pytest
import torch

from exray.attacks.palette import random_colours


@pytest.mark.parametrize(("palette", "num_colours"), [("any", 8), ("vivid", 6), ("grey", 3)])
def test_a_palette_has_its_colours_and_no_others(palette, num_colours):
    cells = random_colours(np.random.default_rng(0), palette, (30, 30)).flatten(1).T
    colours = {tuple(colour) for colour in cells.tolist()}
    assert len(colours) == num_colours
    if palette == "vivid":
        assert all(0 < sum(colour) < 3 for colour in colours)
    if palette == "grey":
        assert colours == {(0.0,) * 3, (0.5,) * 3, (1.0,) * 3}


def test_a_single_grey_cell_is_neither_black_nor_white():
    random = np.random.default_rng(0)
    for _ in range(5):
        assert torch.equal(random_colours(random, "grey", (1, 1)), torch.full((3, 1, 1), 0.5))
