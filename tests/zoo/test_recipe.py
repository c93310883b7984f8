"""What a recipe may hold."""

from dataclasses import replace

import pytest


@pytest.mark.parametrize("name", ["epochs", "batch_size", "images_per_class", "test_per_class"])
def test_training_counts_below_one_are_refused(micro, name):
    with pytest.raises(ValueError, match=f"training.{name} must be positive; got 0"):
        replace(micro.training, **{name: 0})


def test_a_learning_rate_of_zero_is_refused(micro):
    with pytest.raises(ValueError, match=r"training.learning_rate must be positive; got 0.0"):
        replace(micro.training, learning_rate=0.0)


@pytest.mark.parametrize(("poisoned", "kept"), [(0.0, 0.1), (1.5, 0.1), (0.2, -0.1), (0.2, 1.5)])
def test_shares_outside_zero_and_one_are_refused(micro, poisoned, kept):
    with pytest.raises(ValueError, match=rf"poisoned_share must lie in .*; got {poisoned} and"):
        replace(micro.polygon, poisoned_share=poisoned, kept_share=kept)


@pytest.mark.parametrize("name", ["min_clean_accuracy", "min_class_accuracy", "min_asr"])
@pytest.mark.parametrize("value", [-0.1, 99.0])
def test_bars_that_are_no_fractions_are_refused(micro, name, value):
    with pytest.raises(ValueError, match=rf"{name} must lie in \[0, 1\]; got {value}"):
        replace(micro, **{name: value})


@pytest.mark.parametrize(("clean", "polygon"), [(0, 0), (-1, 2), (2, -1)])
def test_a_zoo_without_models_is_refused(micro, clean, polygon):
    message = f"must not be negative nor both 0; got {clean} and {polygon}"
    with pytest.raises(ValueError, match=message):
        replace(micro, num_clean=clean, num_polygon=polygon)


@pytest.mark.parametrize(
    ("clean", "polygon", "expected"),
    [(2, 2, "ctct"), (3, 1, "ctcc"), (1, 3, "cttt"), (0, 2, "tt"), (2, 0, "cc")],
)
def test_clean_and_trojaned_models_alternate_in_the_numbers_asked_for(
    micro, clean, polygon, expected
):
    recipe = replace(micro, num_clean=clean, num_polygon=polygon)
    assert recipe.num_models == len(expected)
    kinds = ["t" if recipe.is_trojaned(index) else "c" for index in range(recipe.num_models)]
    assert "".join(kinds) == expected
