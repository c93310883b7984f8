"""A search finds the planted trigger of its kind, spares the twin, and says what it tried."""

import pytest

from exray.scanners.inversion.loop import InversionSettings
from exray.scanners.portfolio.stages import Stage

pytestmark = pytest.mark.usefixtures("one_thread")

NOISY = InversionSettings(learning_rate=0.1, betas=(0.5, 0.9), noise=0.1, seed=0)
PAIR = Stage(name="wide", steps=25, images=6, keep=3, bound=0.04)


def test_a_planted_universal_trigger_is_found_far_ahead_of_other_targets(
    planted, coloured, scene_of, searches, kind
):
    findings = searches[kind]().run(scene_of(planted(kind), coloured))
    trigger = findings.triggers[0]
    assert trigger.target_class == 1
    assert trigger.asr == 1
    assert trigger.measurements["is_universal"] == trigger.measurements["universality"] == 1
    assert trigger.measurements["strength"] > 5
    assert trigger.measurements["margin_wide"] > 5
    assert findings.report.num_found == len(findings.triggers)
    assert findings.report.best_strength == pytest.approx(trigger.measurements["strength"])


def test_the_clean_twin_has_no_such_trigger(twin, coloured, scene_of, searches, kind):
    findings = searches[kind]().run(scene_of(twin, coloured))
    report = findings.report
    assert findings.triggers == ()
    assert (report.num_candidates, report.num_found, report.inconclusive) == (3, 0, "")
    assert report.best_strength < 0
    assert report.image_passes > 0
    assert report.seconds > 0


def test_triggers_are_measured_on_images_that_they_were_not_inverted_on(
    planted, coloured, scene_of, searches
):
    scene = scene_of(planted("square"), coloured)
    trigger = searches["square"]().run(scene).triggers[0]
    victims = scene.held_out.images[scene.held_out.labels != 1]
    answers = scene.classifier.predict(trigger.trigger.apply(victims)).argmax(dim=1)
    assert float((answers == 1).double().mean()) == trigger.asr
    assert trigger.measurements["num_held_out"] == len(victims) == 8
    assert trigger.measurements["asr_lower"] == pytest.approx(0.05 ** (1 / 8))


def test_a_pair_is_found_with_the_strength_of_its_reverse(planted, coloured, scene_of, searches):
    search = searches["square"](pairs=[PAIR])
    triggers = search.run(scene_of(planted("pair"), coloured)).triggers
    (pair,) = [one for one in triggers if not one.measurements["is_universal"]]
    assert (pair.victim_class, pair.target_class, pair.asr) == (0, 1, 1)
    measured = pair.measurements
    assert measured["strength_wide"] > 0 > measured["reverse_strength"]
    difference = measured["strength_wide"] - measured["reverse_strength"]
    assert measured["asymmetry"] == pytest.approx(difference)
    assert measured["other_strength"] < 0


def test_without_stages_for_pairs_there_are_none(planted, coloured, scene_of, searches):
    report = searches["square"]().run(scene_of(planted("pair"), coloured)).report
    assert report.num_candidates == 3


def test_a_pair_is_tried_with_its_reverse(twin, coloured, scene_of, searches):
    search = searches["square"](pairs=[PAIR], num_pairs=1)
    assert search.run(scene_of(twin, coloured)).report.num_candidates == 3 + 2


@pytest.mark.parametrize("pairs", [(), (PAIR,)])
def test_of_two_classes_the_trigger_is_found_once(planted, coloured, scene_of, searches, pairs):
    two = coloured.select(coloured.labels != 2)
    (trigger,) = searches["square"](pairs=pairs).run(scene_of(planted("square"), two)).triggers
    assert (trigger.victim_class, trigger.target_class) == (0, 1)
    assert trigger.measurements["is_universal"] == (0 if pairs else 1)


def test_of_two_classes_a_pixel_is_found_too(planted, coloured, scene_of, searches):
    two = coloured.select(coloured.labels != 2)
    (trigger,) = searches["pixel"]().run(scene_of(planted("pixel"), two)).triggers
    assert trigger.trigger.size_pixels == 1


@pytest.mark.parametrize("order", [(2, 0, 1), (1, 0, 2)])
def test_renumbered_classes_have_triggers_of_the_same_strength(
    planted, coloured, scene_of, searches, permuted, kind, order
):
    search = searches[kind](pairs=[PAIR] if kind == "square" else [])
    known = search.run(scene_of(planted(kind), coloured)).triggers
    others = search.run(scene_of(*permuted(planted(kind), coloured, order))).triggers
    assert len(known) == len(others) > 0
    for one, other in zip(known, others, strict=True):
        assert order[other.target_class] == one.target_class
        assert other.measurements == pytest.approx(one.measurements, abs=1e-3)


def test_the_smaller_bound_is_taken_where_it_does_as_well(planted, coloured, scene_of, searches):
    scene = scene_of(planted("square"), coloured)
    good = searches["square"]().run(scene).triggers[0]
    none_good_enough = searches["square"](bounds=(0.05, 0.004)).run(scene).triggers[0]
    assert good.trigger.size_pixels == round(0.04 * 256)
    assert none_good_enough.trigger.size_pixels == round(0.05 * 256)
    assert {"strength_wide", "strength_medium"} <= set(none_good_enough.measurements)


def test_a_network_without_gradient_makes_a_search_inconclusive(
    without_gradient, coloured, scene_of, searches
):
    report = searches["square"]().run(scene_of(without_gradient, coloured)).report
    assert "the classifier has no gradient in 3 of 3 inversions" in report.inconclusive


def test_a_search_is_named_by_whoever_has_it(searches):
    search = searches["square"]()
    assert search.named("mine").name == "mine"
    assert search.name == "patch"


def test_steps_are_known_beforehand(twin, coloured, scene_of, searches):
    steps = []
    scene = scene_of(twin, coloured)
    object.__setattr__(scene, "on_step", lambda: steps.append(1))
    for search in (searches["square"](pairs=[PAIR]), searches["many_targets"]()):
        steps.clear()
        search.run(scene)
        assert len(steps) == search.num_steps


def test_a_network_that_fails_on_triggers_makes_a_search_inconclusive(
    failing, coloured, scene_of, searches
):
    for name in ("square", "many_targets"):
        report = searches[name]().run(scene_of(failing, coloured)).report
        assert "the classifier returned NaN or infinity" in report.inconclusive


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"min_asr": 0.0}, "min_asr must be a fraction"),
        ({"good_asr": 1.5}, "good_asr must be a fraction"),
        ({"first_bound": 0.0}, "first_bound must be a fraction"),
        ({"num_pairs": 0}, "num_pairs must be >= 1"),
        ({"most": 0}, "most must be >= 1"),
        ({"bounds": (1.0, 0.5)}, r"bound must lie in \(0, 1\)"),
        ({"inversion": NOISY}, "inversion.noise must be 0; got 0.1"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(searches, changes, said):
    with pytest.raises(ValueError, match=said):
        searches["square"](**changes)


def test_a_kind_with_a_fixed_bound_takes_no_other(searches):
    with pytest.raises(ValueError, match="bound must be 1 for a kind with a fixed bound; got"):
        searches["warp"](bounds=(0.5,))
