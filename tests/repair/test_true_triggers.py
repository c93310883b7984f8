"""True triggers are measured on images that no repair saw."""

import pytest
import torch

from exray.repair.true_triggers import true_figures, unseen
from exray.zoo.attack_tests import AttackTest
from exray.zoo.poisoning import LabelledImages

pytestmark = pytest.mark.usefixtures("one_thread")


def as_bytes(images):
    return (images * 255).round().byte()


@pytest.fixture
def attack(colour_samples, white_patch):
    clean = LabelledImages(images=as_bytes(colour_samples.images), labels=colour_samples.labels)
    victims = as_bytes(white_patch.apply(colour_samples.of_class(0)))
    stamped = LabelledImages(images=victims, labels=torch.full((len(victims),), 1))
    others = LabelledImages(images=as_bytes(colour_samples.of_class(2)), labels=stamped.labels)
    return AttackTest(clean=clean, stamped=(stamped, others))


def test_all_stamped_images_count_together(attack, trojaned, clean_twin):
    assert vars(true_figures(trojaned, attack)) == {"accuracy": 1, "asr": 0.5}
    assert vars(true_figures(clean_twin, attack)) == {"accuracy": 1, "asr": 0}
    without = AttackTest(clean=attack.clean, stamped=())
    assert true_figures(trojaned, without).asr is None


def test_images_that_were_seen_are_left_out(attack, colour_samples):
    seen = colour_samples.select(colour_samples.labels != 2)
    rounded = as_bytes(seen.images).float() / 255
    kept = unseen(
        attack, type(seen)(images=rounded, labels=seen.labels, class_names=seen.class_names)
    )
    assert kept.clean.labels.tolist() == [2] * 6
    assert kept.stamped == attack.stamped
