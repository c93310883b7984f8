"""A small TrojAI round in NIST's layout, read back."""

import pytest
from PIL import Image

from exray.datasets.base import Truth
from exray.datasets.preprocess import FolderPreprocess
from exray.datasets.trojai.dataset import TrojaiDataset

PREPROCESS = FolderPreprocess(size=None, crop=224, mean=(), std=(), scaling="unit")


def source(root, *, preprocess=PREPROCESS, limit_per_class=None, **where):
    return TrojaiDataset(
        name="trojai_r2",
        root=str(root),
        preprocess=preprocess,
        where=where,
        limit_per_class=limit_per_class,
    )


def test_a_round_is_read_as_it_lies_there(trojai_round):
    dataset = source(trojai_round)
    assert dataset.model_ids() == ("id-00000000", "id-00000001", "id-00000002")
    for model_id in dataset.model_ids():
        model = dataset.load(model_id)
        assert model.classifier.accuracy(model.samples.images, model.samples.labels) == 1
        assert model.samples.counts() == [6, 6, 6]
        assert model.architecture == "Sequential"


def test_the_models_may_lie_one_folder_deeper(trojai_round, tmp_path):
    (tmp_path / "train").mkdir()
    trojai_round.rename(tmp_path / "train" / "models")
    assert len(source(tmp_path / "train").model_ids()) == 3


def test_ground_truth_is_joined_from_the_files(trojai_round):
    truth = source(trojai_round).truth("id-00000000")
    assert truth.is_trojaned is True
    assert (truth.kind, truth.pairs) == ("polygon", {(0, 1)})
    clean = Truth(is_trojaned=False, details={"true_architecture": "vgg11bn"})
    assert source(trojai_round).truth("id-00000001") == clean


def test_loading_reads_nothing_that_tells_the_truth(trojai_round):
    for name in ("METADATA.csv", "id-00000000/config.json", "id-00000000/ground_truth.csv"):
        (trojai_round / name).unlink()
    dataset = source(trojai_round)
    assert dataset.load("id-00000000").classifier.num_classes == 3
    assert dataset.truth("id-00000000") is None


def test_two_triggers_of_round_4_keep_their_own_targets(tmp_path, trojai_model):
    triggers = [{"type": "polygon", "source_class": 0, "target_class": target} for target in (1, 2)]
    folder = trojai_model(tmp_path / "id-00000007", is_trojaned=True, config={"triggers": triggers})
    poisoned = folder / "poisoned_example_data"
    poisoned.mkdir()
    Image.new("RGB", (16, 16)).save(poisoned / "class_0_trigger_1_example_0.png")
    truth = source(tmp_path).truth("id-00000007")
    assert truth.pairs == {(0, 1), (0, 2)}
    model = source(tmp_path, trigger_type="polygon").load("id-00000007")
    assert len(model.samples) == 18


@pytest.mark.parametrize(
    ("where", "num_models"),
    [
        ({"trigger_type": "polygon"}, 1),
        ({"poisoned": False}, 2),
        ({"poisoned": "true"}, 1),
        ({"number_classes": 3}, 3),
        ({"model_architecture": "vgg11bn", "trigger_type": None}, 2),
        ({"model_architecture": "vgg11bn", "background_image_dataset": "kitti_city"}, 2),
    ],
)
def test_models_are_chosen_by_their_metadata(trojai_round, where, num_models):
    assert len(source(trojai_round, **where).model_ids()) == num_models


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (
            {"colour": "red"},
            r"where.colour is in no model's metadata of .*; it has: backgr",
        ),
        (
            {"trigger_type": "sticker"},
            r"trigger_type=sticker leaves no model of .*are: None, polyg",
        ),
    ],
)
def test_a_filter_that_nothing_passes_says_what_there_is(trojai_round, where, message):
    with pytest.raises(ValueError, match=message):
        source(trojai_round, **where).model_ids()


def test_a_folder_without_models_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"root must hold .* id-00000000.* holds none"):
        source(tmp_path).model_ids()
    with pytest.raises(ValueError, match=r"nowhere is no folder"):
        source(tmp_path / "nowhere").model_ids()


@pytest.mark.parametrize("changed", ["model.pt", "example_data/class_0_example_0.png"])
def test_the_fingerprint_changes_with_what_is_scanned(trojai_round, changed):
    before = source(trojai_round).fingerprint()
    path = trojai_round / "id-00000001" / changed
    path.write_bytes(path.read_bytes() + b"\n")
    assert source(trojai_round).fingerprint() != before
    assert source(trojai_round, poisoned=True).fingerprint() != before


def test_preprocessing_and_limit_reach_the_model(trojai_round):
    eight = FolderPreprocess(size=None, crop=8, mean=(), std=(2.0,), scaling="unit")
    model = source(trojai_round, preprocess=eight, limit_per_class=1).load("id-00000000")
    assert model.samples.images.shape == (3, 3, 8, 8)
    assert model.classifier.preprocessing == eight.preprocessing
