"""The files of a TrojAI round, in the forms of rounds 2, 3 and 4."""

import json

import pytest

from exray.datasets.trojai.layout import (
    examples_folder,
    read_config,
    read_ground_truth,
    read_metadata,
    triggers_of,
)

ROUND_4 = {
    "py/object": "trojai.round_config.RoundConfig",
    "number_classes": 20,
    "poisoned": True,
    "background": {"py/object": "x.Y", "path": "p"},
    "triggers": [
        {"py/object": "x.T", "trigger_number": 0, "source_class": 3, "target_class": 5,
         "type": "polygon", "polygon_side_count": 8, "condition": "spatial"},
        {"py/object": "x.T", "py/state": {"trigger_number": 1, "source_class": 3,
         "target_class": 9, "type": "instagram", "instagram_filter_type": "GothamFilterXForm",
         "condition": "None"}},
    ],
}  # fmt: skip


def test_the_flat_form_of_a_config_is_read_in_lower_case(tmp_path):
    (tmp_path / "config.json").write_text('{"TRIGGERED_CLASSES": [1, 4], "TRIGGER_COLOR": null}')
    expected = {"triggered_classes": "1,4", "trigger_color": "None"}
    assert read_config(tmp_path / "config.json") == expected


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_jsonpickled_form_of_a_config_is_read_without_its_classes(tmp_path, wrapped):
    content = {"py/object": "os.system", "py/state": ROUND_4} if wrapped else ROUND_4
    (tmp_path / "config.json").write_text(json.dumps(content))
    facts = read_config(tmp_path / "config.json")
    assert facts["number_classes"] == "20"
    assert facts["triggers_0_type"] == "polygon"
    assert facts["triggers_1_target_class"] == "9"
    assert not [key for key in facts if "py/" in key or "background" in key]
    spatial, other = triggers_of(facts)
    assert (spatial.victim_classes, spatial.target_class, spatial.condition) == ((3,), 5, "spatial")
    assert (other.kind, other.target_class) == ("instagram GothamFilterXForm", 9)


def test_triggers_of_round_2_and_of_a_clean_model():
    facts = {"trigger_type": "instagram", "trigger_type_option": "KelvinFilterXForm"}
    (trigger,) = triggers_of({**facts, "triggered_classes": "0,2", "trigger_target_class": "7"})
    assert trigger.kind == "instagram KelvinFilterXForm"
    assert (trigger.victim_classes, trigger.target_class) == ((0, 2), 7)
    assert triggers_of({"trigger_type": "None", "triggers_0_type": "None"}) == ()


@pytest.mark.parametrize("text", ["[1, 2", "[]", "[" * 100_000])
def test_a_config_that_is_no_object_is_refused(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config.json (is no JSON|must hold a JSON object)"):
        read_config(tmp_path / "config.json")


@pytest.mark.parametrize(("text", "expected"), [("0\n", False), ("1", True), ("1.0\n", True)])
def test_ground_truth_is_one_number(tmp_path, text, expected):
    (tmp_path / "ground_truth.csv").write_text(text)
    assert read_ground_truth(tmp_path, {"poisoned": str(not expected)}) is expected


def test_without_ground_truth_the_metadata_tells_or_nothing_does(tmp_path):
    assert read_ground_truth(tmp_path, {"poisoned": "True"}) is True
    assert read_ground_truth(tmp_path, {"poisoned": "0"}) is False
    assert read_ground_truth(tmp_path, {}) is None
    (tmp_path / "ground_truth.csv").write_text("maybe")
    with pytest.raises(ValueError, match=r"ground_truth.csv must hold 0 or 1; got 'maybe'"):
        read_ground_truth(tmp_path, {})


def test_metadata_without_names_is_refused(tmp_path):
    assert read_metadata(tmp_path) == {}
    (tmp_path / "METADATA.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"must have a column model_name; it has: a, b"):
        read_metadata(tmp_path)


def test_clean_examples_are_found_under_either_name_and_never_the_poisoned(tmp_path):
    (tmp_path / "poisoned_example_data").mkdir()
    with pytest.raises(ValueError, match="clean images in clean_example_data or example_data"):
        examples_folder(tmp_path)
    (tmp_path / "example_data").mkdir()
    assert examples_folder(tmp_path).name == "example_data"
    (tmp_path / "clean_example_data").mkdir()
    assert examples_folder(tmp_path).name == "clean_example_data"
