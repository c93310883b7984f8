"""State dicts in their plain form."""

from pathlib import Path

import pytest
import torch

from exray.errors import CheckpointError
from exray.models.checkpoints.state_dict import (
    checked,
    shared_prefix,
    without_prefixes,
)

PATH = Path("m.pt")


@pytest.mark.parametrize(
    ("keys", "prefix"),
    [
        ([], ""),
        (["a", "module.b"], ""),
        (["module.a", "module.b"], "module."),
        (["_orig_mod.module.a"], "_orig_mod.module."),
        (["modules.a", "modules.b"], ""),
        (["module._orig_mod.a", "module.b"], "module."),
    ],
)
def test_a_prefix_is_what_all_names_share(keys, prefix):
    assert shared_prefix(keys) == prefix
    state = {key: torch.tensor(float(place)) for place, key in enumerate(keys)}
    plain = without_prefixes(state)
    assert [prefix + key for key in plain] == keys
    assert list(plain.values()) == list(state.values())


def test_checked_weights_have_32_bits_or_more_and_no_gradient():
    state = {
        "half": torch.tensor([0.5], dtype=torch.float16),
        "double": torch.tensor([0.1], dtype=torch.float64),
        "count": torch.tensor(3),
        "trained": torch.ones(1, requires_grad=True),
    }
    dense = checked(state, PATH)
    assert [value.dtype for value in dense.values()] == [
        torch.float32, torch.float64, torch.int64, torch.float32,
    ]  # fmt: skip
    assert not dense["trained"].requires_grad
    assert dense["double"].item() == 0.1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.ones(2, device="meta"), "holds 'a' as a sparse, quantised or empty tensor"),
        (torch.eye(2).to_sparse(), "holds 'a' as a sparse, quantised or empty tensor"),
        (torch.tensor([1.0, -torch.inf, torch.nan]), "that are not finite: 2 of 3 in 'a'"),
    ],
)
def test_weights_that_nothing_can_be_computed_with_are_refused(value, message):
    with pytest.raises(CheckpointError, match=message):
        checked({"a": value}, PATH)
