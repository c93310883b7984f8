"""Models are chosen by kind and by truth, in their order."""

import pytest

from exray.datasets.base import ModelDataset, Truth
from exray.repair.selection import RepairSelection

TRUTHS = {
    "a": Truth(is_trojaned=False),
    "b": Truth(is_trojaned=True, kind="patch"),
    "c": Truth(is_trojaned=True, kind="warp"),
    "d": Truth(is_trojaned=True, kind="patch"),
    "e": Truth(is_trojaned=False),
    "f": None,
}


class Source(ModelDataset):
    name = "source"

    def model_ids(self):
        return tuple(TRUTHS)

    def load(self, model_id):
        raise NotImplementedError

    def model_file(self, model_id):
        raise NotImplementedError

    def truth(self, model_id):
        return TRUTHS[model_id]

    def fingerprint(self):
        return ""


@pytest.mark.parametrize(
    ("per_kind", "is_trojaned", "chosen"),
    [
        (None, None, "abcdef"),
        (1, None, "abcf"),
        (1, True, "bc"),
        (2, True, "bcd"),
        (None, False, "ae"),
    ],
)
def test_so_many_of_each_kind_are_chosen(per_kind, is_trojaned, chosen):
    selection = RepairSelection(per_kind=per_kind, is_trojaned=is_trojaned)
    assert "".join(selection.chosen(Source(), tuple(TRUTHS))) == chosen


def test_a_count_out_of_range_is_refused():
    with pytest.raises(ValueError, match="per_kind must be >= 1 or null; got 0"):
        RepairSelection(per_kind=0, is_trojaned=None)


def test_models_that_are_named_are_chosen_alone_and_others_refused():
    named = RepairSelection(per_kind=None, is_trojaned=True, models=("e", "d", "b"))
    assert named.chosen(Source(), tuple(TRUTHS)) == ("b", "d")
    unknown = RepairSelection(per_kind=None, is_trojaned=None, models=("x",))
    with pytest.raises(
        ValueError, match=r"models names x, which is not among the 6 models .*\(a, b, c"
    ):
        unknown.chosen(Source(), tuple(TRUTHS))
