"""A key changes with all that an inversion follows from, and with nothing else."""

from dataclasses import replace

import pytest
import torch

from exray.pipeline.content_key import content_key

SEARCH = {"name": "abs", "seed": 0}


def test_equal_content_has_one_key_whatever_the_order(trojaned, clean_twin, colour_samples):
    key = content_key(SEARCH, trojaned, colour_samples)
    clean_twin.network.load_state_dict(trojaned.network.state_dict())
    again = content_key({"seed": 0, "name": "abs"}, clean_twin, colour_samples)
    assert again == key
    assert len(key) == 32


def test_configuration_weights_images_labels_and_temperature_all_count(
    trojaned, clean_twin, colour_samples
):
    images = colour_samples.images.clone()
    images[-1, -1, -1, -1] += 1e-3
    labels = colour_samples.labels.flip(0)
    keys = {
        content_key(SEARCH, trojaned, colour_samples),
        content_key({**SEARCH, "seed": 1}, trojaned, colour_samples),
        content_key(SEARCH, clean_twin, colour_samples),
        content_key(SEARCH, trojaned, replace(colour_samples, images=images)),
        content_key(SEARCH, trojaned, replace(colour_samples, labels=labels)),
        content_key(SEARCH, trojaned.tempered(2.0), colour_samples),
    }
    assert len(keys) == 6


def test_the_networks_structure_counts_beside_its_weights(trojaned, colour_samples):
    before = content_key(SEARCH, trojaned, colour_samples)
    trojaned.network.relu = torch.nn.LeakyReLU()
    assert content_key(SEARCH, trojaned, colour_samples) != before


def test_moved_code_is_another_key_once_its_hash_changes(trojaned, colour_samples, monkeypatch):
    before = content_key(SEARCH, trojaned, colour_samples)
    monkeypatch.setattr("exray.pipeline.content_key.code_hash", lambda: "other")
    assert content_key(SEARCH, trojaned, colour_samples) != before


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_of_half_precision_are_hashed(trojaned, colour_samples, dtype):
    before = content_key(SEARCH, trojaned, colour_samples)
    trojaned.network.to(dtype)
    assert content_key(SEARCH, trojaned, colour_samples) != before
