"""Where in a file's contents the weights are."""

from pathlib import Path

import pytest
import torch

from exray.errors import CheckpointError
from exray.models.checkpoints.layouts import choice_remark, chosen_entries, weights_entries
from exray.models.checkpoints.pickles.contents import StoredObject

PATH = Path("m.pt")


def weights(count=4):
    return {f"layer{place}.weight": torch.ones(2) for place in range(count)}


def keys(value):
    return [entry.key for entry in weights_entries(value)]


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (weights(), ""),
        ({"epoch": 3, "state_dict": weights()}, "state_dict"),
        ({"anything": {"at": {"all": weights()}}}, "anything.at.all"),
        ([weights(), 0.9], "0"),
        ((0.9, weights()), "1"),
        ({"netC": weights(), "identity_grid": torch.ones(3)}, "netC"),
        ({"netG": weights(7), "netC": weights()}, "netC"),
        ({"ema": weights(), "model": weights()}, "model"),
        ({"optimizer": {"state": {0: {"exp_avg": torch.ones(9)}}}, "net": weights(1)}, "net"),
        ({"run": StoredObject(path="a.B", parts={"weights": weights()})}, "run.weights"),
    ],
)
def test_the_likeliest_weights_come_first(value, key):
    assert keys(value)[0] == key


def test_what_training_keeps_is_no_classifiers_weights():
    assert keys({"optimizer": weights(9), "criterion": weights(9), "net": weights(1)}) == ["net"]


def test_a_choice_is_a_key_its_last_part_a_prefix_or_ema():
    value = {"a": {"model": weights(), "model_ema": weights()}, "b": {"x.weight": torch.ones(1)}}
    entries = weights_entries(value)
    for choice, key in (("a.model", "a.model"), ("model", "a.model"), ("ema", "a.model_ema"),
                        ("x", "b")):  # fmt: skip
        assert chosen_entries(entries, choice, PATH)[0].key == key
    inside = weights_entries({"state_dict": {"ema.a": torch.ones(1), "model.a": torch.ones(1)}})
    for choice in ("ema", "ema."):
        assert list(chosen_entries(inside, choice, PATH)[0].weights) == ["ema.a"]
    with pytest.raises(CheckpointError, match=r"no weights under 'other'; it holds .*: a\.model, "):
        chosen_entries(entries, "other", PATH)


def test_what_was_taken_and_left_out_is_said():
    value = {"state_dict": weights(), "state_dict_ema": weights(), "epoch": 3}
    entries = weights_entries(value)
    assert choice_remark(entries[0], entries, value, ["a.B"]) == (
        "the weights under 'state_dict' were taken; it also holds weights under state_dict_ema, "
        "which dataset.weights=KEY takes instead; left out: epoch; not made: instances of a.B"
    )
    alone = weights_entries(weights())
    assert choice_remark(alone[0], alone, weights(), []) == ""
    mixed = {**weights(), "step": 7}
    alone = weights_entries(mixed)
    assert choice_remark(alone[0], alone, mixed, []) == "weights taken; left out: step"
