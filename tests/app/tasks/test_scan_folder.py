"""A stranger's model through the command line: records, failures, warnings."""

import json
import shutil

import pytest
import torch
from PIL import Image

from exray.models.architectures.registry import build

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def scanned(command, stranger, tmp_path):
    """Scans and gives the command's outcome with the record."""

    def run(*words):
        ran = command(*stranger, *words)
        assert "Traceback" not in ran.err
        assert len(ran.out.splitlines()) == 1
        place = tmp_path / "results" / "model" / "model" / "record.json"
        return ran, json.loads(place.read_text())

    return run


def fails(outcome, said):
    ran, record = outcome
    assert ran.status == 1
    assert ran.out == "model\tfailed\tnan\t0\t0\n"
    assert said in record["error_line"]
    assert record["error_line"] in ran.err
    return True


def test_a_planted_backdoor_is_scanned_to_the_end(scanned):
    ran, record = scanned("scanner.engine.min_asr=0.9", "judge.engine.mask.epochs=2")
    assert ran.status == 0
    assert record["clean_accuracy"] == 1
    assert record["warnings"] == []
    assert record["is_trojaned"] is None
    assert record["num_candidates"] > 0


def test_a_damaged_model_file_is_a_failed_record(scanned, tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(path.read_bytes()[:300])
    assert fails(scanned(), "model.pt is a truncated zip file")


def test_a_network_that_returns_nan_is_inconclusive(scanned, tmp_path):
    path = tmp_path / "factory.py"
    path.write_text(path.read_text().replace("nn.ReLU()", "nn.Threshold(9, float('nan'))"))
    ran, record = scanned()
    assert ran.out == "model\tinconclusive\t0.5000\t0\t0\n"
    reason = "inconclusive: the network returns NaN or infinity on 18 of 18 clean images; check"
    assert record["warnings"][-1].startswith(reason)


def test_a_wrong_layer_is_a_failed_record_that_lists_those_there_are(scanned):
    said = "layer 'conv9' is not in colours; it has: "
    assert fails(scanned("scanner.engine.stimulation.layer=conv9"), said)


def test_a_wrong_layer_of_the_judge_is_refused_where_no_trigger_is_found(scanned):
    few = "scanner.engine.patch.max_size_share=0.001"
    assert fails(scanned("layer.name=conv9", few), "layer 'conv9' is not in colours; it has: ")


def factory_missing(path):
    path.unlink()


def factory_broken(path):
    path.write_text("def colours(:")


def factory_without_the_function(path):
    path.write_text("def colors(): pass")


def factory_that_fails(path):
    path.write_text("import nothing_of_that_name")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (factory_missing, "dataset.factory must be FILE.py:function with a file that exists"),
        (factory_broken, "failed (SyntaxError: "),
        (factory_without_the_function, "names 'colours', which is not in "),
        (factory_that_fails, "failed (ModuleNotFoundError: No module named 'nothing_of_that_na"),
    ],
)
def test_a_factory_that_is_no_use_is_a_mistake(command, stranger, tmp_path, change, said):
    change(tmp_path / "factory.py")
    assert said in command(*stranger).mistake()
    assert not (tmp_path / "results" / "model").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet", "architecture 'resnet' is not known; did you mean resnet50"),
        ("torchvision/resnet19", "did you mean torchvision/resnet18"),
        ("timm/resnet19", "did you mean timm/resnet18"),
    ],
)
def test_an_architecture_that_is_not_there_is_a_mistake(command, stranger, name, said):
    assert (
        said in command(*stranger, "dataset.factory=null", f"dataset.architecture={name}").mistake()
    )


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_a_network_by_a_librarys_name_is_scanned_on_folders_of_named_classes(
    command, stranger, tmp_path, library
):
    """Random weights: the way is tried to its end, which is too low an accuracy."""
    name = f"{library}/resnet18"
    torch.save(build(name, num_classes=3).state_dict(), tmp_path / "model.pt")
    labels = {"n01440764": 0, "n01443537": 1, "n01484850": 2}
    for label, index in labels.items():
        (tmp_path / "images" / str(index)).rename(tmp_path / "images" / label)
    (tmp_path / "images" / "classes.json").write_text(json.dumps(labels))
    words = ("dataset.factory=null", f"dataset.architecture={name}", "scan.min_clean_accuracy=1")
    ran = command(*stranger, *words)
    record = json.loads((tmp_path / "results" / "model" / "model" / "record.json").read_text())
    assert (ran.status, record["verdict"], record["num_classes"]) == (0, "inconclusive", 3)
    assert record["architecture"] == name


def test_the_wrong_classes_are_inconclusive_and_the_right_ones_are_named(scanned, tmp_path):
    images = tmp_path / "images"
    (images / "0").rename(images / "x")
    (images / "2").rename(images / "0")
    (images / "1").rename(images / "2")
    (images / "x").rename(images / "1")
    ran, record = scanned()
    assert ran.status == 0
    assert ran.out == "model\tinconclusive\t0.5000\t0\t0\n"
    assert '{"class 0": 2, "class 1": 0, "class 2": 1}' in record["warnings"][-1]
    assert record["trials"][0]["classes"] == "2,0,1"


def test_odd_images_are_warned_about_in_the_record(scanned, tmp_path):
    images = tmp_path / "images"
    shutil.rmtree(images / "2")
    (images / "0" / "broken.png").write_bytes(b"no image")
    ran, record = scanned()
    assert ran.status == 0
    assert any("broken.png is no image" in warning for warning in record["warnings"])
    assert "1 of 3 classes without images: 2" in record["warnings"]


def test_one_image_in_all_is_inconclusive(scanned, tmp_path):
    shutil.rmtree(tmp_path / "images")
    (tmp_path / "images" / "0").mkdir(parents=True)
    Image.new("RGB", (16, 16), (178, 26, 26)).save(tmp_path / "images" / "0" / "0.png")
    ran, record = scanned()
    assert ran.status == 0
    assert record["verdict"] == "inconclusive"
    assert "images are of one class alone" in record["warnings"][-1]


def test_changed_images_are_another_run(scanned, command, stranger, tmp_path):
    scanned()
    Image.new("RGB", (16, 16), (20, 20, 180)).save(tmp_path / "images" / "2" / "new.png")
    assert "input: " in command(*stranger).mistake()
