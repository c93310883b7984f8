"""Which clean images a scan can use."""

from dataclasses import replace

import pytest

from exray.models.temperature import CLEAN_MARGIN
from exray.pipeline.sample_selection import select_samples
from exray.pipeline.settings import ScanSettings

SETTINGS = ScanSettings(
    min_clean_accuracy=0.5,
    min_class_accuracy=0.5,
    min_images_per_class=1,
    samples_per_class=4,
    misclassified="drop",
    probability_without_triggers=0.1,
    temperature="fitted",
)


@pytest.fixture
def greens_as_red(colour_samples):
    """Four green images under red's label."""
    labels = colour_samples.labels.clone()
    labels[6:10] = 0
    return replace(colour_samples, labels=labels)


def test_misclassified_images_are_left_out(trojaned, greens_as_red):
    selection = select_samples(trojaned, greens_as_red, SETTINGS)
    assert selection.accuracy == pytest.approx(14 / 18)
    assert list(selection.samples.counts()) == [4, 2, 4]
    assert selection.remarks == ("4 of 18 images are misclassified, not used",)
    assert selection.inconclusive == ""


def test_misclassified_images_are_kept_where_the_settings_say_so(trojaned, greens_as_red):
    settings = replace(SETTINGS, misclassified="keep", samples_per_class=None)
    selection = select_samples(trojaned, greens_as_red, settings)
    assert len(selection.samples) == 18
    assert selection.remarks == ("4 of 18 images are misclassified, used all the same",)


def test_classes_that_are_mostly_misclassified_leave_too_few(trojaned, colour_samples):
    labels = colour_samples.labels.clone()
    labels[6:12] = 0
    labels[:6] = 2
    settings = replace(SETTINGS, min_clean_accuracy=0.1)
    selection = select_samples(trojaned, replace(colour_samples, labels=labels), settings)
    assert selection.samples is None
    assert selection.remarks[0] == "classes red are mostly misclassified and were left out"
    assert selection.inconclusive == "fewer than two classes have an image classified right"


def test_a_low_clean_accuracy_selects_nothing(trojaned, colour_samples):
    wrong = replace(colour_samples, labels=(colour_samples.labels + 1) % 3)
    selection = select_samples(trojaned, wrong, SETTINGS)
    assert (selection.samples, selection.accuracy, selection.remarks) == (None, 0.0, ())
    assert selection.inconclusive.startswith("clean accuracy 0.00 is under 0.5; the preprocessing")


def test_the_temperature_is_fitted_unless_the_settings_say_none(trojaned, colour_samples):
    fitted = select_samples(trojaned, colour_samples, SETTINGS)
    logits = trojaned.tempered(fitted.temperature).predict(colour_samples.images)
    top = logits.topk(2, dim=1).values
    assert float((top[:, 0] - top[:, 1]).median()) == pytest.approx(CLEAN_MARGIN)
    as_it_is = select_samples(trojaned, colour_samples, replace(SETTINGS, temperature="none"))
    assert as_it_is.temperature == 1


def test_equal_logits_have_no_scale(trojaned, colour_samples):
    trojaned.network.linear.weight.data.zero_()
    samples = replace(colour_samples, labels=(colour_samples.labels == 2).long())
    selection = select_samples(trojaned, samples, replace(SETTINGS, min_class_accuracy=0.0))
    assert selection.samples is None
