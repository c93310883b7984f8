"""What is recorded of a classifier comes back from JSON as it was."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from exray.attacks.blend import BlendFacts
from exray.attacks.instagram import InstagramFacts
from exray.attacks.patch import PatchFacts
from exray.zoo.entries import AttackEntry, ModelEntry

LOMO = AttackEntry(
    facts=InstagramFacts(filter_name="Lomo"), victim_classes=(1,), target_class=0, num_poisoned=4
)


@pytest.mark.parametrize(
    "facts",
    [
        InstagramFacts(filter_name="Lomo"),
        BlendFacts(opacity=0.2),
        PatchFacts(side_pixels=3, corner=(4, 5)),
    ],
    ids=lambda facts: facts.kind,
)
def test_every_kind_of_attack_comes_back_also_from_format_1(trojaned_entry, facts):
    model = replace(trojaned_entry, attack=replace(LOMO, facts=facts))
    stored = json.loads(json.dumps(model.to_dict()))
    assert ModelEntry.from_dict(stored) == model
    common = {"kind", "victim_classes", "target_class", "num_poisoned"}
    assert set(stored["attack"]) == {*common, "parameters"}
    flat = {**stored["attack"], **stored["attack"].pop("parameters")}  # as in format 1
    assert ModelEntry.from_dict({**stored, "attack": flat}) == model


def test_what_a_classifier_does_not_have_is_not_written(clean_entry, trojaned_entry):
    stored = clean_entry.to_dict()
    assert stored["attack"] is None
    assert not {"scene", "further_attacks", "organization", "adversarial"} & set(stored)
    second = replace(trojaned_entry, further_attacks=(LOMO,), organization="one2two")
    assert set(second.to_dict()) - set(stored) == {"further_attacks", "organization"}
    assert ModelEntry.from_dict(json.loads(json.dumps(second.to_dict()))) == second


def test_what_follows_from_an_entry(clean_entry, trojaned_entry):
    assert (clean_entry.attacks, clean_entry.is_trojaned) == ((), False)
    second = replace(trojaned_entry, further_attacks=(LOMO,))
    assert (second.attacks, second.is_trojaned) == ((trojaned_entry.attack, LOMO), True)
    assert (LOMO.kind, LOMO.option) == ("instagram", "Lomo")
    assert clean_entry.image_facts.seed == clean_entry.seed
    assert clean_entry.weights_path(Path("zoo")) == Path("zoo/id-00000000/model.safetensors")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "sepia"}, r"parameters.*kind must be one of .*; got 'sepia'"),
        ({"parameters": {}}, r"parameters.*filter_name is missing"),
        ({"parameters": {"filter_name": 3}}, r"parameters.*filter_name"),
        ({"num_poisoned": "many"}, "num_poisoned"),
    ],
)
def test_a_broken_attack_is_named_with_its_place(trojaned_entry, changes, message):
    stored = {**trojaned_entry.to_dict(), "attack": {**LOMO.to_dict(), **changes}}
    with pytest.raises(ValueError, match=f"attack.*{message}"):
        ModelEntry.from_dict(stored)
