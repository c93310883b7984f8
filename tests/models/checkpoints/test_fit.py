"""Whether a file's weights are a network's, by names and shapes."""

import pytest
import torch

from exray.models.checkpoints.fit import fit

OWN = {
    "conv.weight": (4, 3, 3, 3),
    "conv.bias": (4,),
    "bn.num_batches_tracked": (),
    "fc.weight": (2, 4),
}


def under(prefix):
    return {f"{prefix}{name}": sides for name, sides in OWN.items()}


@pytest.mark.parametrize(
    "prefix", ["", "module.", "_orig_mod.module.", "model.", "backbone.net.", "module.encoder."]
)
def test_a_prefix_is_taken_off(prefix):
    found = fit(OWN, under(prefix))
    assert found.fits
    assert found.names == {name: f"{prefix}{name}" for name in OWN}
    usual = not prefix.replace("module.", "").replace("_orig_mod.", "")
    assert (found.remarks() == ()) is usual


def test_a_networks_own_prefix_need_not_be_in_the_file():
    found = fit(under("wrapped."), OWN)
    assert found.fits
    assert found.names["wrapped.conv.bias"] == "conv.bias"


def test_what_lies_outside_the_prefix_or_in_a_branch_of_its_own_is_ignored_and_said():
    stored = under("model.") | {"criterion.weight": (3,), "model.aux.weight": (2,)}
    found = fit(OWN, stored)
    assert found.fits
    assert set(found.ignored) == {"criterion.weight", "model.aux.weight"}
    assert "were ignored: criterion.weight, model.aux.weight" in found.remarks()[1]


def test_what_lies_in_a_branch_of_the_networks_is_unexpected():
    found = fit(OWN, OWN | {"conv.scale": (4,)})
    assert not found.fits
    assert found.problems["unexpected"] == ["conv.scale"]


def test_auxiliary_heads_may_be_missing_and_are_said():
    found = fit(OWN | {"aux1.fc.weight": (2, 2), "AuxLogits.fc.bias": (2,)}, OWN)
    assert found.fits
    assert found.absent == ("aux1.fc.weight", "AuxLogits.fc.bias")
    assert not fit(OWN | {"head.weight": (2, 2)}, OWN).fits


def test_of_two_prefixes_the_average_gives_way_and_others_are_refused():
    both = under("model.") | under("model_ema.")
    assert fit(OWN, both).prefix == "model."
    found = fit(OWN, under("student.") | under("teacher."))
    assert not found.fits
    assert set(found.problems["fitting under several prefixes"]) == {"student.", "teacher."}


def test_shapes_count_unless_told_otherwise():
    other = OWN | {"fc.weight": (7, 4)}
    assert fit(OWN, other).problems["of another shape"] == [
        "fc.weight (7 x 4 in the file, 2 x 4 in the network)"
    ]
    assert fit(OWN, other, shapes=False).fits
    assert fit({"scale": ()}, {"scale": (1,)}).fits


def test_parts_are_put_together_where_the_network_has_the_whole():
    stored = {f"net.{name}": sides for name, sides in OWN.items() if name != "fc.weight"}
    stored |= {"net.fc.weight_orig": (2, 4), "net.fc.weight_mask": (2, 4)}
    found = fit(OWN, stored)
    state = {name: torch.ones(sides) for name, sides in stored.items()}
    state["net.fc.weight_mask"][0] = 0
    assert found.fits
    assert found.apply(state)["fc.weight"].tolist() == [[0.0] * 4, [1.0] * 4]
    assert found.remarks()[0] == "pruned weights were put together"
    kept = {"fc.weight_orig": (2, 4), "fc.weight_mask": (2, 4)}
    assert fit(kept, kept).folded == {}
