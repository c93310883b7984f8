"""Square patches are found where blocks point to them, label-specific ones without a universal."""

import pytest

from exray.scanners.inversion.loop import InversionSettings

pytestmark = pytest.mark.usefixtures("one_thread")

NOISY = InversionSettings(learning_rate=0.1, betas=(0.5, 0.9), noise=0.1, seed=0)


def test_a_universal_square_is_found_once_whatever_led_to_it(planted, coloured, scene_of, searches):
    scene = scene_of(planted("square"), coloured)
    for stages in ({}, {"universal": []}):
        findings = searches["squares"](**stages).run(scene)
        (one,) = findings.triggers
        assert (one.target_class, one.asr) == (1, 1)
        assert one.trigger.size_pixels == 9
        assert one.trigger.mask[11, 3] == 1
        measured = one.measurements
        assert measured["is_squares"] == measured["is_universal"] == measured["universality"] == 1
        assert measured["num_held_out"] == 8
        assert "disruption" not in measured
        assert findings.report.num_found == 1
        assert findings.report.image_passes > 0


def test_a_pair_is_found_that_disrupts_no_other_class(planted, coloured, scene_of, searches):
    triggers = searches["squares"]().run(scene_of(planted("pair"), coloured)).triggers
    (pair,) = [one for one in triggers if not one.measurements["is_universal"]]
    assert (pair.victim_class, pair.target_class, pair.asr) == (0, 1, 1)
    measured = pair.measurements
    assert measured["disruption"] == 0
    assert min(measured["strength_wide"], measured["strength_medium"]) > 0
    assert measured["margin_medium"] > 1
    assert measured["lift"] > measured["strength"]


def test_the_pairs_of_an_all_to_all_backdoor_disrupt_all_classes(
    planted, coloured, scene_of, searches
):
    triggers = searches["squares"]().run(scene_of(planted("all_to_all"), coloured)).triggers
    pairs = [one for one in triggers if not one.measurements["is_universal"]]
    assert pairs
    for one in pairs:
        assert one.target_class == (one.victim_class + 1) % 3
        assert one.measurements["disruption"] == 1


def test_the_clean_twin_has_none(twin, coloured, scene_of, searches):
    findings = searches["squares"]().run(scene_of(twin, coloured))
    assert findings.triggers == ()
    assert findings.report.num_found == 0
    assert findings.report.best_strength is None


def test_of_two_classes_the_trigger_is_found_once(planted, coloured, scene_of, searches):
    two = coloured.select(coloured.labels != 2)
    (trigger,) = searches["squares"]().run(scene_of(planted("square"), two)).triggers
    assert (trigger.victim_class, trigger.target_class) == (0, 1)
    assert trigger.measurements["is_universal"] == 0
    assert "disruption" not in trigger.measurements


def test_renumbered_classes_have_triggers_of_the_same_strength(
    planted, coloured, scene_of, searches, permuted
):
    search, classifier = searches["squares"](), planted("pair")
    (one, *_) = search.run(scene_of(classifier, coloured)).triggers
    (other, *_) = search.run(scene_of(*permuted(classifier, coloured, (2, 0, 1)))).triggers
    assert other.measurements == pytest.approx(one.measurements, abs=1e-3)


def test_a_network_without_gradient_is_inconclusive(without_gradient, coloured, scene_of, searches):
    report = searches["squares"]().run(scene_of(without_gradient, coloured)).report
    assert "gradient" in report.inconclusive


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_pairs": 0}, "num_pairs must be >= 1; got 0"),
        ({"starts": 0}, "starts must be >= 1; got 0"),
        ({"most": 0}, "most must be >= 1; got 0"),
        ({"min_asr": 1.5}, "min_asr must"),
        ({"pairs": []}, "pairs must hold one stage or more; got none"),
        ({"inversion": NOISY}, "inversion.noise must be 0; got 0.1"),
    ],
)
def test_settings_out_of_range_are_refused(searches, change, message):
    with pytest.raises(ValueError, match=message):
        searches["squares"](**change)
