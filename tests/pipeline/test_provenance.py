"""Code, machine, file and images behind a scan."""

import hashlib
from datetime import datetime

import pytest
import torch

from exray.images.samples import SampleSet
from exray.models.classifier import Preprocessing
from exray.pipeline import provenance
from exray.pipeline.provenance import (
    counts_by_name,
    described,
    path_sha256,
    samples_sha256,
    software,
)

CPU = torch.device("cpu")


def samples(value=0.5, labels=(0, 1), names=("stop", "yield", "stop")):
    images = torch.full((2, 3, 4, 4), value)
    return SampleSet(images=images, labels=torch.tensor(labels), class_names=names)


def test_the_software_is_named_with_its_commit_date_and_command():
    made = software(device=CPU, command="exray scan m.pt")
    assert datetime.fromisoformat(made.date).utcoffset().total_seconds() == 0
    assert made.torch == torch.__version__
    assert (made.command, made.device) == ("exray scan m.pt", "cpu")
    assert "CPU core" in made.machine


def test_an_installed_package_has_no_commit(monkeypatch, tmp_path):
    provenance._commit.cache_clear()
    monkeypatch.setattr(provenance, "_PACKAGE", tmp_path / "exray")
    assert software(device=CPU).commit == ""
    provenance._commit.cache_clear()


def test_a_file_has_its_own_hash_and_a_hubs_folder_that_of_names_and_contents(tmp_path):
    file = tmp_path / "a.pt"
    file.write_bytes(b"weights")
    assert path_sha256(file) == hashlib.sha256(b"weights").hexdigest()
    assert path_sha256(tmp_path) == ""
    (tmp_path / "config.json").write_text("{}")
    file.rename(tmp_path / "pytorch_model.bin")
    before = path_sha256(tmp_path)
    (tmp_path / "README.md").write_text("not read")
    assert path_sha256(tmp_path) == before
    (tmp_path / "config.json").write_text("{ }")
    assert path_sha256(tmp_path) not in ("", before)
    assert path_sha256(tmp_path / "nowhere") == ""


@pytest.mark.parametrize("other", [samples(0.6), samples(labels=(1, 0))])
def test_other_pixels_or_labels_have_another_hash(other):
    assert samples_sha256(samples()) == samples_sha256(samples()) != samples_sha256(other)


def test_classes_that_share_a_name_are_counted_apart():
    assert counts_by_name(samples()) == {"stop (0)": 1, "yield": 1, "stop (2)": 0}


def test_a_preprocessing_is_told_without_what_it_does_not_do():
    assert described(Preprocessing()) == {
        "scaling": "unit",
        "channels": "auto",
        "layout": "channels_first",
    }
    assert described(Preprocessing(std=(0.5, 2.0)))["std"] == "0.5, 2.0"
