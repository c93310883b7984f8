"""One model of a TrojAI round with its clean examples."""

import pytest
import torch
from PIL import Image

from exray.datasets.preprocess import FolderPreprocess
from exray.datasets.trojai.model import load_trojai_model
from exray.errors import CheckpointError

PREPROCESS = FolderPreprocess(size=None, crop=224, mean=(), std=(), scaling="unit")


def load(folder, preprocess=PREPROCESS, *, limit_per_class=None):
    return load_trojai_model(
        folder / "model.pt",
        folder / "example_data",
        preprocess,
        limit_per_class=limit_per_class,
    )


def test_examples_are_cropped_from_the_centre_and_small_ones_left(trojai_round):
    folder = trojai_round / "id-00000000" / "example_data"
    for path in folder.iterdir():
        framed = Image.new("RGB", (30, 30), "white")
        framed.paste(Image.open(path), (7, 7))
        framed.save(path)
    sixteen = FolderPreprocess(size=None, crop=16, mean=(), std=(), scaling="unit")
    cropped = load(trojai_round / "id-00000000", sixteen).samples
    whole = load(trojai_round / "id-00000001").samples
    assert torch.equal(cropped.images, whole.images)


def test_min_max_stretches_each_image(trojai_round):
    stretched = FolderPreprocess(size=None, crop=224, mean=(), std=(), scaling="min_max")
    model = load(trojai_round / "id-00000000", stretched)
    prepared = model.classifier.preprocessing(model.samples.images)
    assert prepared.amin(dim=(1, 2, 3)).eq(0).all()
    assert prepared.amax(dim=(1, 2, 3)).allclose(torch.ones(18))


def test_odd_files_among_the_examples_are_told(trojai_round):
    folder = trojai_round / "id-00000000" / "example_data"
    (folder / "class_0_example_0.png").write_bytes(b"no image")
    (folder / "notes.txt").touch()
    Image.new("RGB", (16, 16)).save(folder / "class_0_trigger_1_example_0.png")
    model = load(trojai_round / "id-00000000", limit_per_class=2)
    assert model.samples.counts() == [2, 2, 2]
    said = " ".join(model.warnings)
    assert "1 poisoned examples in example_data are left out" in said
    assert "1 files in example_data are no examples: 'notes.txt'" in said
    assert "class_0_example_0.png is no image" in said


def test_weights_alone_are_refused_with_the_way_out(trojai_round, trojaned):
    torch.save(trojaned.network.state_dict(), trojai_round / "id-00000000" / "model.pt")
    with pytest.raises(CheckpointError, match=r"holds weights without a network.*dataset=folder"):
        load(trojai_round / "id-00000000")


def test_an_example_of_a_class_that_the_network_lacks_is_refused(trojai_round):
    folder = trojai_round / "id-00000000" / "example_data"
    (folder / "class_0_example_0.png").rename(folder / "class_9_example_0.png")
    with pytest.raises(ValueError, match="examples of class 9, but the network has 3 classes"):
        load(trojai_round / "id-00000000")


def test_a_folder_without_clean_examples_is_refused(trojai_round):
    folder = trojai_round / "id-00000000"
    (folder / "empty").mkdir()
    with pytest.raises(ValueError, match=r"no readable clean example; its images must be named"):
        load_trojai_model(folder / "model.pt", folder / "empty", PREPROCESS, limit_per_class=None)
    with pytest.raises(ValueError, match=r"nowhere does not exist; name the one there is"):
        load_trojai_model(folder / "model.pt", folder / "nowhere", PREPROCESS, limit_per_class=None)
