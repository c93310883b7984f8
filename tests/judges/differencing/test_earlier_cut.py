"""Measurements at a second cut."""

from dataclasses import replace

import pytest
import torch

from exray.judges.differencing.earlier_cut import earlier_measurements
from exray.judges.differencing.smallest_masks import SmallestMasks
from exray.models.splitting.split_classifier import SplitClassifier
from exray.rules.calibration import EARLIER

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def measure(colour_samples, mask_settings):
    """Measures triggers at the planted networks' first layer."""

    def measured(classifier, triggers, settings=mask_settings):
        split = SplitClassifier.of(classifier, "relu", colour_samples.images)
        return earlier_measurements(split, colour_samples, triggers, settings)

    return measured


def test_similarities_and_accuracies_are_measured_under_names_of_their_own(
    measure, trojaned, white_patch, green_tint
):
    injected, natural = measure(trojaned, [white_patch, green_tint])
    assert (
        set(injected)
        == set(natural)
        == {"earlier_converged", *EARLIER} - {"earlier_similarity_quantile"}
    )
    assert injected["earlier_similarity"] < 0.3 < 0.8 < natural["earlier_similarity"]


def test_a_trigger_that_flips_nothing_has_none(measure, clean_twin, white_patch, green_tint):
    assert measure(clean_twin, [white_patch]) == [{}]
    nothing, natural = measure(clean_twin, [white_patch, green_tint])
    assert nothing == {}
    assert natural["earlier_converged"] == 1


def test_masks_that_do_not_converge_leave_their_numbers_out(
    measure, trojaned, white_patch, mask_settings, monkeypatch
):
    def keep_none(self, rows, masks, *, feasible, epochs):
        del self, rows, masks, epochs
        return torch.zeros_like(feasible)

    monkeypatch.setattr(SmallestMasks, "update", keep_none)
    settings = replace(mask_settings, epochs=2, patience=2)
    assert measure(trojaned, [white_patch], settings) == [{"earlier_converged": 0.0}]
