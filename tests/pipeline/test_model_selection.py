"""Which of a zoo's classifiers a run scans."""

import pytest

from exray.datasets.base import ModelDataset, Truth
from exray.pipeline.model_selection import of_kinds


class TruthsOnly(ModelDataset):
    """Classifiers of which nothing but the truth is known."""

    name = "zoo"

    def __init__(self, truths):
        self.truths = truths

    def model_ids(self):
        return tuple(self.truths)

    def load(self, model_id):
        raise AssertionError(model_id)

    def model_file(self, model_id):
        raise AssertionError(model_id)

    def truth(self, model_id):
        return self.truths[model_id]

    def fingerprint(self):
        return ""


@pytest.fixture
def source():
    return TruthsOnly(
        {
            "clean": Truth(is_trojaned=False),
            "polygon": Truth(is_trojaned=True, kind="polygon"),
            "filter": Truth(is_trojaned=True, kind="instagram"),
            "unknown": None,
        }
    )


def test_kinds_keep_clean_models_and_those_of_unknown_truth(source):
    assert of_kinds(source, None) == ("clean", "polygon", "filter", "unknown")
    assert of_kinds(source, ["polygon"]) == ("clean", "polygon", "unknown")
    assert of_kinds(source, []) == ("clean", "unknown")


def test_a_kind_that_no_model_has_is_refused(source):
    with pytest.raises(
        ValueError,
        match="kinds must name triggers of zoo, which has: instagram, polygon; got 'filter'",
    ):
        of_kinds(source, ["polygon", "filter"])
