"""Settings as the three doors of a scan write them."""

import pytest

from exray.models.classifier import Preprocessing
from exray.pipeline.setting_change import SettingChange, advice, preprocessing_changes


@pytest.mark.parametrize(
    ("name", "value", "override", "flag"),
    [
        ("channels", "bgr", "dataset.preprocess.channels=bgr", "--channels bgr"),
        ("mean", (0.5, 0.25), "dataset.preprocess.mean=[0.5,0.25]", "--mean 0.5,0.25"),
        ("std", (), "dataset.preprocess.std=[]", "--std none"),
        ("crop", None, "dataset.preprocess.crop=null", "--crop null"),
        ("class_order", "string", "dataset.class_order=string", "--class-order string"),
        ("batch_statistics", "images", "dataset.batch_statistics=images",
         "--batch-statistics images"),
    ],
)  # fmt: skip
def test_a_change_is_written_for_each_door(name, value, override, flag):
    change = SettingChange(name=name, value=value)
    assert (change.override, change.flag) == (override, flag)


def test_python_is_told_the_whole_preprocessing():
    old, new = Preprocessing(scaling="byte"), Preprocessing(scaling="byte", channels="bgr")
    text = advice(preprocessing_changes(old, new), new)
    assert text.endswith("preprocessing=Preprocessing(scaling='byte', channels='bgr') (Python)")
    of_files = advice([SettingChange(name="size", value=8)], new)
    assert of_files == "add --size 8 (exray scan), dataset.preprocess.size=8 (run.py)"
