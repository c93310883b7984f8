"""Ground truth of one model, as values and as records store it."""

from exray.datasets.base import Truth


def test_records_hold_pairs_as_sorted_text():
    truth = Truth(is_trojaned=True, pairs=frozenset({(4, 9), (3, 9)}), kind="polygon")
    assert truth.to_dict() == {
        "is_trojaned": True,
        "trigger": "polygon",
        "victim_classes": "3,4",
        "target_class": 9,
        "trigger_pairs": "3>9,4>9",
    }


def test_targets_that_differ_leave_the_target_class_open():
    truth = Truth(is_trojaned=True, pairs=frozenset({(0, 1), (0, 2)}))
    assert truth.to_dict()["target_class"] is None


def test_a_clean_model_has_its_details_alone():
    truth = Truth(is_trojaned=False, details={"half": "tuning"})
    assert truth.to_dict() == {"is_trojaned": False, "half": "tuning"}
