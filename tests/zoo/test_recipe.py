"""What a recipe may hold."""

from dataclasses import replace

import pytest

from exray.attacks.instagram import InstagramRecipe
from exray.zoo.variations import Variation


def polygons(micro, **changes):
    return {"polygon": replace(micro.attacks["polygon"], **changes)}


@pytest.mark.parametrize("name", ["epochs", "batch_size", "images_per_class", "test_per_class"])
def test_training_counts_below_one_are_refused(micro, name):
    with pytest.raises(ValueError, match=f"^{name} must be positive; got 0"):
        replace(micro.training, **{name: 0})


def test_a_learning_rate_of_zero_is_refused(micro):
    with pytest.raises(ValueError, match=r"learning_rate must be positive; got 0.0"):
        replace(micro.training, learning_rate=0.0)


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_a_weight_decay_that_is_none_is_refused(micro, value):
    with pytest.raises(ValueError, match=rf"^weight_decay must be >= 0; got {value}"):
        replace(micro.training, weight_decay=value)


@pytest.mark.parametrize(("poisoned", "decoy"), [(0.0, 0.1), (1.5, 0.1), (0.2, -0.1), (0.2, 1.5)])
def test_shares_outside_zero_and_one_are_refused(micro, poisoned, decoy):
    with pytest.raises(ValueError, match=rf"poisoned_share must lie in .*; got {poisoned} and"):
        replace(micro.attacks["polygon"], poisoned_share=poisoned, kept_share=decoy)


@pytest.mark.parametrize("name", ["min_clean_accuracy", "min_class_accuracy", "min_asr"])
@pytest.mark.parametrize("value", [-0.1, 99.0])
def test_bars_that_are_no_fractions_are_refused(micro, name, value):
    with pytest.raises(ValueError, match=rf"{name} must lie in \[0, 1\]; got {value}"):
        replace(micro, **{name: value})


@pytest.mark.parametrize("clean", [0, -1])
def test_a_zoo_without_models_is_refused(micro, clean):
    message = f"must not be negative nor all 0; got num_clean {clean}, attacks.polygon.count 0"
    with pytest.raises(ValueError, match=message):
        replace(micro, num_clean=clean, attacks=polygons(micro, count=0))


@pytest.mark.parametrize(
    ("clean", "polygon", "expected"),
    [(2, 2, "ctct"), (3, 1, "ctcc"), (1, 3, "cttt"), (0, 2, "tt"), (2, 0, "cc")],
)
def test_clean_and_trojaned_models_alternate_in_the_numbers_asked_for(
    micro, clean, polygon, expected
):
    recipe = replace(micro, num_clean=clean, attacks=polygons(micro, count=polygon))
    assert recipe.num_models == len(expected)
    kinds = ["t" if recipe.attack_of(index) else "c" for index in recipe.places]
    assert "".join(kinds) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_victims": 0}, r"^num_victims must be >= 1, or null .*; got 0"),
        ({"sides": (2, 5)}, r"^sides must hold .* from 3 up; got \[2, 5\]"),
        ({"sides": (5, 4)}, r"^sides must hold least and greatest"),
        ({"width": (0.0, 0.3)}, r"^width must hold .* in \(0, 1\); got \[0.0, 0.3\]"),
        ({"width": (0.4, 0.3)}, r"^width must hold least and greatest"),
        ({"width": (0.3, 1.0)}, r"^width must hold least and greatest"),
    ],
)
def test_polygons_that_cannot_be_drawn_are_refused(micro, changes, message):
    with pytest.raises(ValueError, match=message):
        replace(micro.attacks["polygon"], **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": -1}, "^seed must be >= 0; got -1"),
        ({"samples_per_class": 0}, "samples_per_class must be >= 1; got 0"),
        ({"max_attempts": 0}, "max_attempts must be >= 1; got 0"),
        ({"num_classes": 1}, "num_classes must be >= 2; got 1"),
        ({"image_size": 0}, "image_size must be >= 1; got 0"),
        ({"family_sizes": ()}, "family_sizes must hold sizes from 1 up; got none"),
        ({"family_sizes": (1, 0)}, r"family_sizes must hold sizes from 1 up; got \[1, 0\]"),
    ],
)
def test_a_zoo_that_cannot_be_drawn_is_refused(micro, changes, message):
    with pytest.raises(ValueError, match=message):
        replace(micro, **changes)


def test_victims_must_leave_a_target_unless_nothing_is_trojaned(micro):
    message = "attacks.polygon.num_victims must be below num_classes, 3; got 3"
    with pytest.raises(ValueError, match=message):
        replace(micro, attacks=polygons(micro, num_victims=3))
    unused = polygons(micro, num_victims=3, count=0)
    assert replace(micro, attacks=unused).attacks == unused


def test_a_batch_larger_than_the_training_set_is_refused(micro):
    message = r"batch_size must not exceed the 24 training images .*; got 25"
    with pytest.raises(ValueError, match=message):
        replace(micro, training=replace(micro.training, batch_size=25))
    assert replace(micro, training=replace(micro.training, batch_size=24))


FILTERS = InstagramRecipe(
    count=1, filters=("Lomo",), num_victims=1, poisoned_share=0.5, kept_share=0.5
)


def test_more_of_one_attack_changes_no_other_models_index(micro):
    few = replace(micro, attacks={**micro.attacks, "instagram": FILTERS})
    more = replace(micro, attacks={**micro.attacks, "instagram": replace(FILTERS, count=3)})
    assert list(few.places) == [0, 1, 10_000]
    assert set(few.places) < set(more.places)
    assert more.num_models == 5
    assert [place.attack for place in more.places.values()] == [
        None, "polygon", "instagram", "instagram", "instagram",
    ]  # fmt: skip
    assert more.attack_of(10_002) == more.attacks["instagram"]


def test_a_recipe_describes_only_the_attacks_it_uses(micro):
    unused = {**micro.attacks, "instagram": replace(FILTERS, count=0)}
    assert replace(micro, attacks=unused).description() == micro.description()
    described = replace(micro, attacks={"filters": FILTERS}).description()["attacks"]
    assert described["filters"]["kind"] == "instagram"
    assert (described["filters"]["count"], described["filters"]["block"]) == (1, 1)


def test_two_attacks_of_one_kind_have_blocks_of_their_own(micro):
    both = {"lomo": FILTERS, "kelvin": replace(FILTERS, filters=("Kelvin",))}
    message = r"attacks.kelvin.block must be another than that of attacks.lomo; both are 1"
    with pytest.raises(ValueError, match=message):
        replace(micro, attacks=both)
    both["kelvin"] = replace(both["kelvin"], block=5)
    assert list(replace(micro, attacks=both).places) == [0, 10_000, 50_000]


@pytest.mark.parametrize("changes", [{"count": -1}, {"block": -1}])
def test_a_negative_count_or_block_is_refused(changes):
    with pytest.raises(ValueError, match="count and block must be >= 0; got"):
        replace(FILTERS, **changes)


def test_an_attack_with_too_many_victims_is_refused(micro):
    with pytest.raises(ValueError, match=r"attacks.x.num_victims must be below num_classes, 3"):
        replace(micro, attacks={"x": replace(FILTERS, num_victims=3)})


def test_each_attack_is_halved_and_the_lower_seeds_are_for_tuning(micro):
    attacks = {**polygons(micro, count=2), "instagram": replace(FILTERS, count=2)}
    recipe = replace(micro, num_clean=4, attacks=attacks)
    halves = {index: recipe.half_of(index) for index in recipe.places}
    assert [index for index, half in halves.items() if half == "tuning"] == [0, 1, 2, 10_000]
    assert [index for index, half in halves.items() if half == "reporting"] == [3, 4, 5, 10_001]
    assert recipe.half_of(10_002) == "reporting"  # of a zoo that has more


def test_the_place_of_a_model_counts_those_of_its_attack(micro):
    recipe = replace(micro, num_clean=1, attacks=polygons(micro, count=3))
    assert [recipe.places[index].place for index in (1, 2, 3)] == [0, 1, 2]


def test_as_many_victims_as_classes_are_refused_in_any_turn(micro):
    with pytest.raises(ValueError, match="num_victims must be below num_classes"):
        replace(micro, attacks=polygons(micro, num_victims=(1, micro.num_classes)))


def test_class_counts_and_sizes_are_drawn_and_families_grow_with_the_classes(micro):
    recipe = replace(micro, class_counts=(4, 43), image_sizes=(32, 48))
    facts = [recipe.image_facts(family_size=1, seed=seed) for seed in range(40)]
    assert {(each.num_classes, each.image_size) for each in facts} == {
        (count, size) for count in (4, 43) for size in (32, 48)
    }
    assert {each.family_size for each in facts if each.num_classes == 43} == {7}
    assert {each.family_size for each in facts if each.num_classes == 4} == {1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_counts": (1, 5)}, r"^class_counts must hold numbers from 2 up; got \[1, 5\]"),
        ({"image_sizes": (0,)}, r"^image_sizes must hold numbers from 1 up; got \[0\]"),
    ],
)
def test_class_counts_and_sizes_that_cannot_be_are_refused(micro, changes, message):
    with pytest.raises(ValueError, match=message):
        replace(micro, **changes)


def test_options_that_are_not_used_are_not_described(micro):
    described = micro.description()
    for name in ("class_counts", "image_sizes", "leave_out_failures", "architectures"):
        assert name not in described
    for name in ("variations", "channels_last"):
        assert name not in described["training"]
    assert "palette" not in described["attacks"]["polygon"]
    assert "min_asr" not in described["attacks"]["polygon"]
    assert "min_asr" in described
    varied = replace(micro.training, variations={"smoothed": Variation(label_smoothing=0.1)})
    assert "smoothed" in replace(micro, training=varied).description()["training"]["variations"]


def test_a_variation_changes_what_it_names_and_nothing_else(micro):
    hard = Variation(weight_decay=0.5, images_share=0.5, epochs_share=3.0)
    training = replace(micro.training, variations={"hard": hard}, images_per_class=10, epochs=2)
    varied = training.varied("hard")
    assert (varied.weight_decay, varied.images_per_class, varied.epochs) == (0.5, 5, 6)
    assert varied.learning_rate == training.learning_rate
    assert training.varied(None) is training
    assert replace(micro, training=training).variation_of(0) == "hard"
    assert micro.variation_of(0) is None
