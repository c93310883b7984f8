"""Waves of a bounded amplitude."""

import numpy as np
import pytest
import torch

from exray.scanners.inversion.sinusoids import Sinusoids, waves

CPU = torch.device("cpu")


def test_there_is_each_wave_once_and_all_are_independent():
    signals = waves(2, (12, 10)).flatten(1).numpy()
    assert len(signals) == 2 * 12  # (5 x 5 - 1) / 2 pairs of cycles, as sine and cosine
    assert np.linalg.matrix_rank(signals) == len(signals)


def test_a_signal_of_any_phase_is_a_sum_of_waves():
    rows, columns = np.meshgrid(np.arange(12) / 12, np.arange(10) / 10, indexing="ij")
    signal = np.cos(2 * np.pi * (2 * rows - columns) + 0.7).ravel()
    known = waves(2, (12, 10)).flatten(1).numpy()
    weights, *_ = np.linalg.lstsq(known.T, signal, rcond=None)
    assert np.abs(weights @ known - signal).max() < 1e-5


@pytest.fixture
def shape():
    made = Sinusoids(2, amplitude=0.1, cycles=2, image_size=(9, 8), device=CPU)
    made.parameters[0].normal_()
    return made


def test_no_pixel_changes_by_more_than_the_amplitude(shape):
    images = torch.rand(5, 3, 9, 8)
    stamped = shape.stamp(torch.stack([images] * 2), shape.parameters).images
    assert 0.05 < float((stamped - images).abs().max()) <= 0.1 + 1e-6
    assert stamped.min() >= 0
    assert stamped.max() <= 1


def test_the_hardened_trigger_does_what_was_optimised(shape):
    images = torch.rand(5, 3, 9, 8)
    rows = [shape.parameters[0][1:]]
    stamped = shape.stamp(shape.prepared(images)[None], rows).images[0]
    torch.testing.assert_close(shape.trigger(rows).apply(images), stamped)


def test_there_is_no_wave_at_first_and_still_a_gradient():
    shape = Sinusoids(1, amplitude=0.1, cycles=1, image_size=(9, 8), device=CPU)
    images = torch.rand(1, 2, 3, 9, 8)
    rows = [shape.parameters[0].clone().requires_grad_(True)]
    stamped = shape.stamp(images, rows).images
    assert torch.equal(stamped, images)
    (stamped[..., :3] ** 2).sum().backward()
    assert (rows[0].grad != 0).all()
