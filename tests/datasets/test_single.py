"""One model file of unknown ground truth."""

from pathlib import Path

import pytest

from exray.datasets.single import SingleModelDataset


class Unread(SingleModelDataset):
    """Loads nothing."""

    def load(self, model_id):
        raise NotImplementedError

    def fingerprint(self):
        return ""


def test_the_one_model_has_its_file_and_no_truth():
    dataset = Unread(name="theirs", model=Path("nowhere/net.pt"), model_id="net")
    assert dataset.name == "theirs"
    assert dataset.model_ids() == ("net",)
    assert dataset.model_file("net") == Path("nowhere/net.pt")
    assert dataset.truth("net") is None


def test_how_the_model_is_loaded_is_left_to_the_kinds_of_dataset():
    with pytest.raises(TypeError, match="abstract"):
        SingleModelDataset(name="theirs", model=Path("net.pt"), model_id="net")
