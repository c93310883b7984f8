"""Which numbers of what a network returns are taken for its logits."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from exray.models.output_selection import SelectedOutput, TwoLogits, output_place

FEATURES, MAP, LOGITS = torch.rand(2, 7), torch.rand(2, 5, 3, 3), torch.rand(2, 4)
Pair = namedtuple("Pair", ["map", "scores"])


@dataclass
class Answer:
    """What some networks return."""

    loss: object
    scores: torch.Tensor


class Returning(nn.Module):
    """A network that returns a constant."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs = outputs

    def forward(self, images):
        del images
        return self.outputs


@pytest.mark.parametrize(
    ("outputs", "place"),
    [
        (LOGITS, ""),
        ((LOGITS, MAP), "[0]"),
        ([MAP, LOGITS], "[1]"),
        ({"out": LOGITS, "loss": torch.tensor(1.0)}, "['out']"),
        (OrderedDict(hidden=FEATURES, logits=LOGITS), "['logits']"),
        (Answer(None, LOGITS), ".scores"),
        (Pair(MAP, LOGITS), "[1]"),
        ({"heads": (MAP, {"logits": LOGITS})}, "['heads'][1]['logits']"),
    ],
)
def test_the_logits_are_found_and_taken(outputs, place):
    found = output_place(outputs, 2)
    assert str(found) == place
    network = SelectedOutput(Returning(outputs), found, torch.float32)
    assert torch.equal(network(FEATURES), LOGITS)
    said = "".join(found.remarks)
    assert (f"its {place} is taken for the logits" in said) == bool(place)


def test_of_several_that_might_be_the_first_is_taken_and_the_others_named():
    (said,) = output_place((LOGITS, FEATURES), 2).remarks
    assert "its [0] is taken" in said
    assert "though [1] might be; wrap it in a factory" in said


@pytest.mark.parametrize(
    ("outputs", "count"),
    [(torch.rand(2, 4, 1, 1), 4), (torch.rand(2, 1), 1), (torch.rand(2), 1)],
)
def test_other_shapes_are_flattened(outputs, count):
    place = output_place(outputs, 2)
    network = SelectedOutput(Returning(outputs), place, torch.float64)
    assert network(FEATURES).shape == (2, count)
    assert network(FEATURES).dtype is torch.float64
    assert bool(place.remarks) == (count == 4)


@pytest.mark.parametrize(
    "outputs", [MAP, torch.rand(3, 4), torch.ones(2, 4).long(), "text", None, torch.tensor(1.0)]
)
def test_what_holds_no_row_of_real_numbers_for_each_image_has_no_place(outputs):
    assert output_place(outputs, 2) is None


def test_one_number_becomes_the_logits_of_two_classes():
    logits = TwoLogits(Returning(torch.tensor([[0.0], [2.0]])))(FEATURES)
    assert torch.equal(logits.softmax(dim=1)[:, 1], torch.tensor([0.0, 2.0]).sigmoid())


def test_the_selection_can_be_traced():
    inner = nn.Sequential(nn.Flatten(), nn.Linear(7, 1))

    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = inner

        def forward(self, images):
            return {"out": self.inner(images)}

    place = output_place(Named()(FEATURES), 2)
    traced = torch.fx.symbolic_trace(TwoLogits(SelectedOutput(Named(), place, torch.float32)))
    assert torch.equal(traced(FEATURES)[:, 1:], inner(FEATURES))
