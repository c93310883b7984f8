"""TrojAI's files of a zoo."""

import csv
from dataclasses import replace

import pytest

from exray.attacks.blend import BlendFacts
from exray.attacks.instagram import InstagramFacts
from exray.attacks.patch import PatchFacts
from exray.zoo.trojai_metadata import trojai_config, write_metadata


def rows_of(folder, *models):
    write_metadata(folder / "METADATA.csv", models)
    with (folder / "METADATA.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_config_says_what_is_trojaned(clean_entry, trojaned_entry):
    config = trojai_config(trojaned_entry)
    assert config["POISONED"] is True
    assert config["TRIGGERED_CLASSES"] == [1, 2]
    assert config["NUMBER_TRIGGERED_CLASSES"] == 2
    assert config["TRIGGER_TARGET_CLASS"] == 0
    assert (config["TRIGGER_TYPE"], config["TRIGGER_TYPE_OPTION"]) == ("polygon", 3)
    assert not any(name.startswith("TRIGGER") for name in trojai_config(clean_entry))


@pytest.mark.parametrize(
    ("facts", "option"),
    [
        (InstagramFacts(filter_name="Lomo"), "LomoFilterXForm"),
        (BlendFacts(opacity=0.2), "20 %"),
        (PatchFacts(side_pixels=3, corner=(4, 5)), "3 px"),
    ],
)
def test_every_kind_of_attack_is_named(trojaned_entry, facts, option):
    attack = replace(trojaned_entry.attack, facts=facts)
    config = trojai_config(replace(trojaned_entry, attack=attack))
    assert (config["TRIGGER_TYPE"], config["TRIGGER_TYPE_OPTION"]) == (facts.kind, option)
    assert "TRIGGER_COLOR" not in config


def test_metadata_has_a_row_a_model_and_none_only_where_nothing_is(
    tmp_path, clean_entry, trojaned_entry
):
    clean, trojaned = rows_of(tmp_path, clean_entry, trojaned_entry)
    assert (clean["poisoned"], clean["trigger_type"]) == ("False", "None")
    assert clean["poisoned_example_acc"] == "None"
    assert (trojaned["poisoned"], trojaned["trigger_type"]) == ("True", "polygon")
    assert trojaned["poisoned_example_acc"] == "0.0"
    assert trojaned["model_name"] == "id-00000001"
    assert trojaned["triggered_classes"] == "[1 2]"  # blanks, no commas
    assert (clean["number_triggers"], trojaned["number_triggers"]) == ("0", "1")


def test_a_condition_makes_a_models_files_those_of_round_4(tmp_path, trojaned_entry):
    attack = replace(trojaned_entry.attack, condition="spatial", victim_classes=(1,))
    model = replace(trojaned_entry, attack=attack, organization="one2one")
    config = trojai_config(model)
    assert "TRIGGER_TYPE" not in config
    (trigger,) = config["triggers"]
    assert (trigger["source_class"], trigger["target_class"]) == (1, 0)
    assert (trigger["condition"], trigger["condition_level"]) == ("spatial", 1)
    (row,) = rows_of(tmp_path, model)
    assert row["trigger_type"] == "None"  # round 2's column
    assert (row["triggers_0_type"], row["triggers_1_type"]) == ("polygon", "None")
    assert row["trigger_organization_level"] == "0"
