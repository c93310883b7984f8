"""What the library's functions are given."""

import inspect
from dataclasses import fields

import hub_folders
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

import exray
from exray.api_inputs import (
    FileOptions,
    decoded,
    fitted,
    given_model,
    labelled,
    moved,
    scan_parts,
)
from exray.app.cli import scan
from exray.app.scan_command import FLAGS
from exray.models.architectures.registry import build
from exray.models.classifier import Preprocessing
from exray.presets.conf import conf_folder

# Flags whose place in the library is elsewhere.
ELSEWHERE = {
    "files": "classifier", "images": "samples", "triggers": "make_scanner('external')",
    "form": "ScanReport.to_html", "output": "ScanReport.to_html", "results": "ScanReport.save",
    "threads": "torch.set_num_threads", "fast": "make_scanner and make_judge",
}  # fmt: skip


def test_grey_images_get_three_channels_where_no_classifier_asks_for_one():
    pair = (torch.rand(4, 1, 6, 6), torch.tensor([0, 1, 0, 1]))
    assert decoded(pair, grey_allowed=False).images.shape == (4, 3, 6, 6)
    assert decoded(pair, grey_allowed=True).images.shape == (4, 1, 6, 6)


def test_classes_without_images_have_names(trojaned, colour_samples):
    two = colour_samples.select(colour_samples.labels < 2)
    pair = decoded((two.images, two.labels), grey_allowed=True)
    samples, remarks = labelled(pair, trojaned)
    assert samples.class_names[2] == "class 2"
    assert remarks == ()


def test_a_classifier_has_its_own_preprocessing(trojaned, colour_samples):
    assert fitted(trojaned, colour_samples.images, None) is trojaned
    with pytest.raises(ValueError, match="preprocessing belongs to a network"):
        fitted(trojaned, colour_samples.images, Preprocessing())


def test_a_network_comes_back_to_its_device(trojaned):
    with moved(trojaned, "cpu"):
        assert trojaned.device.type == "cpu"
    assert trojaned.device.type == "cpu"


def test_parts_are_made_by_name():
    scanner, judge = scan_parts("abs", "l2", layer="relu", seed=3)
    assert (type(scanner).__name__, judge.layer) == ("AbsPatchScanner", "relu")


def test_the_library_takes_what_the_command_takes():
    flags = {parameter.name for parameter in scan.params}
    names = {one.name for kind in (FileOptions, Preprocessing) for one in fields(kind)}
    names |= set(inspect.signature(exray.scan).parameters)
    assert flags - names == set(ELSEWHERE)


def test_the_options_defaults_are_those_of_the_command():
    values = OmegaConf.load(conf_folder() / "dataset" / "folder.yaml")
    keys = {flag.strip("-").replace("-", "_"): key for key, flag in FLAGS.items()}
    for option in fields(FileOptions):
        key = keys[option.name].removeprefix("dataset.")
        assert option.default == OmegaConf.select(values, key), option.name


@pytest.fixture
def model_file(tmp_path):
    torch.save(build("plain_cnn", num_classes=11).state_dict(), tmp_path / "model.pt")
    for number in range(11):
        (tmp_path / "images" / str(number)).mkdir(parents=True)
        for index in range(2):
            pixel = Image.new("RGB", (20, 20), (20 * number, 100 * index, 0))
            pixel.save(tmp_path / "images" / str(number) / f"{index}.png")
    return tmp_path / "model.pt", tmp_path / "images"


def test_a_file_is_read_as_its_options_say(model_file):
    options = FileOptions(
        architecture="plain_cnn", size=16, class_order="string", images_per_class=1
    )
    model = given_model(*model_file, options=options)
    assert model.samples.images.shape == (11, 3, 16, 16)
    reds = (255 * model.samples.images[:, 0, 0, 0]).round().int() // 20
    classes = dict(zip(reds.tolist(), model.samples.labels.tolist(), strict=True))
    assert classes == {0: 0, 1: 1, 10: 2, 2: 3, 3: 4, 4: 5, 5: 6, 6: 7, 7: 8, 8: 9, 9: 10}
    assert model.files.geometry.size == 16


def test_batch_statistics_are_those_of_the_images(trojaned, colour_samples):
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(3), trojaned.network)
    options = FileOptions(batch_statistics="images")
    model = given_model(network, colour_samples, options=options)
    assert not torch.equal(model.classifier.network[0].running_mean, network[0].running_mean)


def test_options_that_cannot_be_followed_are_refused(trojaned, colour_samples, model_file):
    with pytest.raises(ValueError, match="class_order counts folders, and samples are in memory"):
        given_model(trojaned, colour_samples, options=FileOptions(class_order="string"))
    with pytest.raises(ValueError, match="architecture belongs to a network; the classifier has"):
        given_model(trojaned, colour_samples, options=FileOptions(architecture="plain_cnn"))
    with pytest.raises(ValueError, match="holds weights without a network; give exactly one"):
        given_model(*model_file)


def test_a_hubs_folder_brings_its_preprocessing_and_its_names(tmp_path):
    pytest.importorskip("transformers")
    hub_folders.transformers_folder(tmp_path / "convnext", "convnext")
    images = hub_folders.image_folders(tmp_path / "images")
    model = given_model(tmp_path / "convnext", images)
    assert model.classifier.preprocessing.mean == (0.5, 0.5, 0.5)
    assert model.samples.class_names == hub_folders.NAMES
