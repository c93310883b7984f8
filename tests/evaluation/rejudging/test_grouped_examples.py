"""Triggers in groups: which one, what teaches, what a model's traits are."""

import math

import numpy as np
import pytest

from exray.evaluation.rejudging.grouped_examples import GroupSpec, grouped_examples
from tests.evaluation.rejudging.conftest import drawn_zoo


def spec(name, searches, is_universal, *sets):
    sets = sets or (("strength", "num_agreeing"),)
    return GroupSpec(name=name, searches=searches, is_universal=is_universal, sets=sets)


SPECS = (
    spec("universal", ("patch", "picture"), True),
    spec("pair patch", ("patch",), False, ("strength", "reverse_strength")),
    spec("rest", ("picture",), None),
)


def test_each_trigger_is_in_the_first_group_that_holds_it():
    examples = grouped_examples(*drawn_zoo(num_models=4), SPECS)
    assert examples.group[:4].tolist() == [0, 0, 1, 2]
    assert examples.owner.tolist() == np.repeat(np.arange(4), 4).tolist()
    assert math.isnan(examples.columns["reverse_strength"][0])
    assert examples.inputs(("strength", "num_agreeing")).shape == (16, 2)
    assert examples.inputs(()).shape == (16, 0)


def test_true_triggers_teach_injected_and_only_those_of_clean_models_natural():
    examples = grouped_examples(*drawn_zoo(num_models=4), SPECS)
    assert examples.label.reshape(4, 4).tolist() == [
        [1, -1, -1, -1],
        [0, 0, 0, 0],
        [-1, -1, -1, 1],
        [0, 0, 0, 0],
    ]


def test_a_true_trigger_that_cannot_be_what_was_injected_teaches_nothing():
    drawn = drawn_zoo(num_models=4)
    examples = grouped_examples(*drawn, SPECS, expresses={"patch": ("picture",)})
    assert examples.label.reshape(4, 4).tolist() == [
        [-1, -1, -1, -1],
        [0, 0, 0, 0],
        [-1, -1, -1, 1],  # of an attack that is not named all searches
        [0, 0, 0, 0],
    ]


def test_models_that_lack_features_are_told_and_others_are_taken_alone():
    records, triggers = drawn_zoo(num_models=4)
    owner = triggers["model_id"].map({m: place for place, m in enumerate(records["model_id"])})
    gaps = triggers.assign(
        m_strength=triggers["m_strength"].where(owner != 1),
        m_reverse_strength=1.0 + 0 * triggers["m_strength"].where((owner != 1) & (owner != 2)),
    )
    examples = grouped_examples(records, gaps, SPECS)
    lacking = examples.lacking(("strength", "reverse_strength", "steadiness"))
    assert lacking.tolist() == [False, True, False, False]
    assert not examples.lacking(()).any()
    others = examples.only(~lacking)
    whole = grouped_examples(
        records[records["model_id"] != records["model_id"][1]].reset_index(drop=True), gaps, SPECS
    )
    assert others.model_ids == whole.model_ids
    assert others.traits == whole.traits
    for name in ("is_trojaned", "owner", "weight", "target", "label", "group"):
        np.testing.assert_array_equal(getattr(others, name), getattr(whole, name))
    for name, values in whole.columns.items():
        np.testing.assert_array_equal(others.columns[name], values)


def test_traits_are_the_records():
    examples = grouped_examples(*drawn_zoo(num_models=4), SPECS)
    assert examples.traits["family"] == ("signs", "signs", "glyphs", "glyphs")
    assert examples.traits["kind"] == ("patch", "", "blend", "")
    assert examples.having("reach", "1").tolist() == [False, False, True, False]
    assert examples.weight.tolist() == [1.0] * 4


def test_a_further_dataset_is_of_its_family_and_does_not_make_a_reach_count_more():
    records, triggers = drawn_zoo(num_models=8)
    drawn = records.assign(
        dataset=["signs", "signs", "more", "more", "signs", "signs", "more", "signs"]
    )
    examples = grouped_examples(drawn, triggers, SPECS, families={"more": "signs"})
    assert set(examples.traits["family"]) == {"signs"}
    reach = records["trigger_reach"].fillna("")
    assert reach.tolist() == ["universal", "", "1", "", "universal", "", "1", ""]
    assert examples.weight.tolist() == [1.0, 0.75, 1.0, 0.75, 1.0, 0.75, 1.0, 0.75]


def test_a_search_that_no_group_holds_is_named():
    records, triggers = drawn_zoo(num_models=2)
    with pytest.raises(ValueError, match="no group holds the triggers of the search picture; rej"):
        grouped_examples(records, triggers, (*SPECS[1:2], spec("u", ("patch",), True)))
    other = triggers.drop(columns=["m_is_patch", "m_is_picture"])
    with pytest.raises(ValueError, match="no group holds the triggers of this scanner"):
        grouped_examples(records, other, SPECS)


def test_a_group_of_nothing_or_of_unknown_features_is_refused():
    with pytest.raises(ValueError, match=r"sets of a knows strength, .*; got 'colour'"):
        spec("a", ("patch",), True, ("colour",))
    with pytest.raises(ValueError, match="searches and sets of a must hold values"):
        spec("a", (), True)
