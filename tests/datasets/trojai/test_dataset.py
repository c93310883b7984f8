"""A small TrojAI round in NIST's layout, read back."""

import pytest
import torch
from PIL import Image

from exray.datasets.base import Truth
from exray.datasets.preprocess import FolderPreprocess
from exray.datasets.trojai.dataset import TrojaiDataset
from exray.errors import CheckpointError

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


def test_examples_are_cropped_from_the_centre_and_small_ones_left(trojai_round):
    folder = trojai_round / "id-00000000" / "example_data"
    for path in folder.iterdir():
        framed = Image.new("RGB", (30, 30), "white")
        framed.paste(Image.open(path), (7, 7))
        framed.save(path)
    sixteen = FolderPreprocess(size=None, crop=16, mean=(), std=(), scaling="unit")
    cropped = source(trojai_round, preprocess=sixteen).load("id-00000000").samples
    whole = source(trojai_round).load("id-00000001").samples
    assert torch.equal(cropped.images, whole.images)


def test_min_max_stretches_each_image(trojai_round):
    stretched = FolderPreprocess(size=None, crop=224, mean=(), std=(), scaling="min_max")
    model = source(trojai_round, preprocess=stretched).load("id-00000000")
    prepared = model.classifier.preprocessing(model.samples.images)
    assert prepared.amin(dim=(1, 2, 3)).eq(0).all()
    assert prepared.amax(dim=(1, 2, 3)).allclose(torch.ones(18))


def test_odd_files_among_the_examples_are_told(trojai_round):
    folder = trojai_round / "id-00000000" / "example_data"
    (folder / "class_0_example_0.png").write_bytes(b"no image")
    (folder / "notes.txt").touch()
    Image.new("RGB", (16, 16)).save(folder / "class_0_trigger_1_example_0.png")
    model = source(trojai_round, limit_per_class=2).load("id-00000000")
    assert model.samples.counts() == [2, 2, 2]
    said = " ".join(model.warnings)
    assert "1 poisoned examples in example_data are left out" in said
    assert "1 files in example_data are no examples: 'notes.txt'" in said
    assert "class_0_example_0.png is no image" in said


def test_weights_alone_are_refused_with_the_way_out(trojai_round, trojaned):
    torch.save(trojaned.network.state_dict(), trojai_round / "id-00000000" / "model.pt")
    with pytest.raises(CheckpointError, match=r"holds weights without a network.*dataset=folder"):
        source(trojai_round).load("id-00000000")


def test_an_example_of_a_class_that_the_network_lacks_is_refused(trojai_round):
    folder = trojai_round / "id-00000000" / "example_data"
    (folder / "class_0_example_0.png").rename(folder / "class_9_example_0.png")
    with pytest.raises(ValueError, match="examples of class 9, but the network has 3 classes"):
        source(trojai_round).load("id-00000000")


@pytest.mark.parametrize("changed", ["model.pt", "example_data/class_0_example_0.png"])
def test_the_fingerprint_changes_with_what_is_scanned(trojai_round, changed):
    before = source(trojai_round).fingerprint()
    path = trojai_round / "id-00000001" / changed
    path.write_bytes(path.read_bytes() + b"\n")
    assert source(trojai_round).fingerprint() != before
    assert source(trojai_round, poisoned=True).fingerprint() != before
