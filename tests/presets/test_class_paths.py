"""Configurations without the places of classes."""

from exray.presets.class_paths import without_paths


def test_classes_are_cut_to_their_names_at_any_depth():
    values = {
        "engine": {"_target_": "exray.scanners.abs.patches.AbsPatchScanner", "rounds": 2},
        "several": [{"_target_": "exray.rules.paper.PaperRule"}, ["exray.rules.verdict.Verdict"]],
    }
    assert without_paths(values) == {
        "engine": {"_target_": "AbsPatchScanner", "rounds": 2},
        "several": [{"_target_": "PaperRule"}, ["Verdict"]],
    }


def test_what_is_no_path_of_ours_stays():
    values = {
        "file": "results/exray.scanners.old",
        "other": "timm.models.ResNet",
        "sentence": "exray.rules.verdict.Verdict decides",
        "name": "exray",
        "count": 3,
        "none": None,
    }
    assert without_paths(values) == values
