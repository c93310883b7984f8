"""File names that say the class of an image."""

import pytest

from exray.images.example_names import ExampleName, example_name


@pytest.mark.parametrize(
    ("name", "class_index", "trigger", "example"),
    [
        ("class_0_example_0.png", 0, None, 0),
        ("class_12_example_19.png", 12, None, 19),
        ("class_7_trigger_1_example_4.png", 7, 1, 4),
        ("CLASS_7_EXAMPLE_4.PNG", 7, None, 4),
    ],
)
def test_names_of_examples_tell_class_and_trigger_apart(name, class_index, trigger, example):
    expected = ExampleName(class_index=class_index, trigger=trigger, example=example)
    assert example_name(name) == expected


@pytest.mark.parametrize("name", ["class_a_example_0.png", "trigger_0.png", "example_class_1.png"])
def test_other_names_are_no_examples(name):
    assert example_name(name) is None
