"""A stranger's model through the command line: records, failures, warnings."""

import json
import shutil

import pytest
from PIL import Image

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
    assert ran.out == "model\tfailed\t0.5000\t0\t0\n"
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


def test_a_network_that_returns_nan_is_a_failed_record(scanned, tmp_path):
    path = tmp_path / "factory.py"
    path.write_text(path.read_text().replace("nn.ReLU()", "nn.Threshold(9, float('nan'))"))
    assert fails(scanned(), "the network returns NaN")


def test_a_wrong_layer_is_a_failed_record_that_lists_those_there_are(scanned):
    said = "layer 'conv9' is not in colours; it has: "
    assert fails(scanned("scanner.engine.stimulation.layer=conv9"), said)


def test_a_wrong_layer_of_the_judge_is_refused_where_no_trigger_is_found(scanned):
    few = "scanner.engine.patch.max_size_share=0.001"
    assert fails(scanned("layer.name=conv9", few), "layer 'conv9' is not in colours; it has: ")


def test_a_missing_factory_is_a_failed_record(scanned, tmp_path):
    (tmp_path / "factory.py").unlink()
    assert fails(scanned(), "dataset.factory must be FILE.py:function with a file that exists")


def test_the_wrong_classes_are_inconclusive_and_the_preprocessing_is_named(scanned, tmp_path):
    images = tmp_path / "images"
    (images / "0").rename(images / "x")
    (images / "2").rename(images / "0")
    (images / "1").rename(images / "2")
    (images / "x").rename(images / "1")
    ran, record = scanned()
    assert ran.status == 0
    assert ran.out == "model\tinconclusive\t0.5000\t0\t0\n"
    assert "the preprocessing is probably wrong (dataset.preprocess.*)" in record["warnings"][-1]


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
    assert "fewer than two classes" in record["warnings"][-1]


def test_changed_images_are_another_run(scanned, command, stranger, tmp_path):
    scanned()
    Image.new("RGB", (16, 16), (20, 20, 180)).save(tmp_path / "images" / "2" / "new.png")
    assert "input: " in command(*stranger).mistake()
