"""Errors name what they are about, and callers that know only ValueError still catch them."""

from pathlib import Path

import pytest

from exray.errors import CheckpointError, LayerNotFoundError, RecordError


def test_a_layer_that_is_missing_is_told_from_one_that_is_no_use():
    with pytest.raises(ValueError, match=r"^layer 'a' is not in net; it has: b, c$"):
        raise LayerNotFoundError("a", "net", ["b", "c"])
    with pytest.raises(ValueError, match=r"^layer 'b' is called twice; it has: b, c$"):
        raise LayerNotFoundError("b", "net", ["b", "c"], reason="is called twice")


def test_a_network_without_layers_says_so():
    assert str(LayerNotFoundError("a", "net", [])).endswith("it has: none")


@pytest.mark.parametrize("error", [CheckpointError, RecordError])
def test_a_broken_file_comes_with_its_path_and_a_way_out(error):
    with pytest.raises(ValueError, match=r"^folder.m\.pt is empty; download it again$"):
        raise error(Path("folder", "m.pt"), "is empty", "download it again")
