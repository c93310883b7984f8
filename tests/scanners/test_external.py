"""Triggers of any tool: measured on this classifier, handed on whole, mistakes named."""

import json

import numpy as np
import pytest

from exray.scanners.external import ExternalScanner

SIZE = 16
WHITE = {"name": "white", "kind": "patch", "victim_class": 0, "target_class": 1}
MASK = np.zeros((SIZE, SIZE))
MASK[2:8, 3:9] = 1
ARRAYS = {"white/mask": MASK, "white/pattern": np.ones(3)}


@pytest.fixture
def scanner(tmp_path):
    """Writes a file with numpy alone and gives its scanner."""

    def write(entries, arrays, min_asr=0.9):
        path = tmp_path / "found.npz"
        np.savez(path, **arrays)
        path.with_suffix(".json").write_text(json.dumps({"triggers": entries}))
        return ExternalScanner(triggers=str(path), min_asr=min_asr)

    return write


def stamped_by_hand(images):
    """What a tool of its own stamps: the white patch, in bytes."""
    pixels = (images * 255).round().to(int).numpy().astype(np.uint8)
    stamped = pixels.copy()
    stamped[:, :, 2:8, 3:9] = 255
    return pixels, stamped


def test_an_injected_trigger_is_measured_anew(scanner, trojaned, clean_twin, colour_samples):
    one = scanner([WHITE], ARRAYS)
    result = one.scan(trojaned, colour_samples)
    (trigger,) = result.triggers
    assert (trigger.victim_class, trigger.target_class) == (0, 1)
    assert (trigger.asr, trigger.source) == (1.0, "external/white")
    assert trigger.trigger.size_pixels == 36
    assert (result.flags, result.score, result.num_candidates) == (True, 1.0, 1)
    on_clean = one.scan(clean_twin, colour_samples)
    assert (on_clean.flags, on_clean.score) == (False, 0.0)
    assert on_clean.triggers[0].asr == 0  # kept: the judge says that it is none


def test_the_scanner_alone_flags_from_its_bar_on(scanner, trojaned, colour_samples):
    nothing = {"nothing/mask": np.zeros((SIZE, SIZE)), "nothing/pattern": np.zeros(3)}
    result = scanner([WHITE | {"name": "nothing"}, WHITE], ARRAYS | nothing).scan(
        trojaned, colour_samples
    )
    assert [trigger.source for trigger in result.triggers] == ["external/white", "external/nothing"]
    assert [trigger.asr for trigger in result.triggers] == [1.0, 0.0]
    assert result.flags
    assert not scanner([], {}).scan(trojaned, colour_samples).flags


def test_a_universal_trigger_gets_the_victim_that_it_flips_most(scanner, trojaned, colour_samples):
    blue = np.zeros((3, SIZE, SIZE))
    blue[2] = 0.7
    arrays = {"white/mask": np.full((SIZE, SIZE), 0.55), "white/pattern": blue}
    (trigger,) = (
        scanner([WHITE | {"victim_class": "all", "target_class": 2}], arrays)
        .scan(trojaned, colour_samples)
        .triggers
    )
    assert trigger.asr == 1
    assert trigger.victim_class == 0  # both flip: the lowest
    (trigger,) = (
        scanner([WHITE | {"victim_class": "all"}], ARRAYS).scan(trojaned, colour_samples).triggers
    )
    assert trigger.victim_class in (0, 2)


def test_a_filter_is_applied_to_all_images(scanner, trojaned, colour_samples):
    swap = np.zeros((12, 3))
    swap[0, 1] = swap[1, 0] = swap[2, 2] = 1.0  # red and green change places
    entry = WHITE | {"name": "swap", "kind": "filter", "window": 3, "image_size": [SIZE, SIZE]}
    (trigger,) = scanner([entry], {"swap/kernel": swap}).scan(trojaned, colour_samples).triggers
    assert (trigger.asr, trigger.trigger.size_pixels) == (1.0, SIZE * SIZE)


def test_pairs_of_all_the_victims_images_are_judged(scanner, trojaned, colour_samples):
    clean, stamped = stamped_by_hand(colour_samples.of_class(0))
    arrays = {"white/clean": clean, "white/stamped": stamped}
    for victim in (0, "all"):
        (trigger,) = (
            scanner([WHITE | {"kind": "pairs", "victim_class": victim}], arrays)
            .scan(trojaned, colour_samples)
            .triggers
        )
        assert (trigger.victim_class, trigger.asr) == (0, 1.0)
        assert trigger.trigger.size_pixels == 36


def test_pairs_of_some_images_are_refused_rather_than_guessed(scanner, trojaned, colour_samples):
    clean, stamped = stamped_by_hand(colour_samples.of_class(0)[:4])
    arrays = {"white/clean": clean, "white/stamped": stamped}
    with pytest.raises(
        ValueError,
        match=r"found.npz: trigger 'white': it has a pair for 4 of the 6 images of class 0 that",
    ):
        scanner([WHITE | {"kind": "pairs"}], arrays).scan(trojaned, colour_samples)


def test_what_does_not_fit_the_classifier_is_named(scanner, trojaned, colour_samples):
    small = {"white/mask": np.zeros((8, 9)), "white/pattern": np.zeros(3)}
    with pytest.raises(
        ValueError, match=r"found.npz: trigger 'white': it is made for images of 8 x 9 pixels"
    ):
        scanner([WHITE], small).scan(trojaned, colour_samples)
    with pytest.raises(ValueError, match=r"target_class 3 does not exist; .* has 3 classes"):
        scanner([WHITE | {"target_class": 3}], ARRAYS).scan(trojaned, colour_samples)
    with pytest.raises(ValueError, match=r"victim_class 7 does not exist"):
        scanner([WHITE | {"victim_class": 7}], ARRAYS).scan(trojaned, colour_samples)
    without = colour_samples.select(colour_samples.labels != 1)
    with pytest.raises(ValueError, match=r"class 1 has no image that the classifier gets right"):
        scanner([WHITE], ARRAYS).scan(trojaned, without)
    alone = colour_samples.select(colour_samples.labels == 0)
    with pytest.raises(ValueError, match=r"images of at least two classes; got images of 1"):
        scanner([WHITE], ARRAYS).scan(trojaned, alone)


def test_a_bar_that_is_no_fraction_is_refused(scanner):
    with pytest.raises(ValueError, match=r"min_asr must be a fraction in \(0, 1\]; got 0"):
        scanner([WHITE], ARRAYS, min_asr=0.0)


def test_a_changed_file_has_another_fingerprint(scanner):
    first = scanner([WHITE], ARRAYS).fingerprint()
    assert scanner([WHITE], ARRAYS).fingerprint() == first
    assert scanner([WHITE | {"target_class": 2}], ARRAYS).fingerprint() != first
    assert scanner([WHITE], ARRAYS | {"white/pattern": np.zeros(3)}).fingerprint() != first
