"""Which of several splits is taken."""

from pathlib import Path

from exray.images.layouts.splits import images_of, in_order_of_splits, said, split_folders, split_of


def names(*folders):
    return [path.name for path in split_folders([Path(name) for name in folders])]


def test_two_folders_of_splits_are_no_classes_whatever_lies_beside_them():
    assert names("train", "test", "val") == ["val", "test", "train"]
    assert names("Training", "meta", "Validation") == ["Validation", "Training"]
    assert names("train") == ["train"]
    assert names("Training", "Final_Test") == ["Final_Test", "Training"]  # the German signs
    assert names("train", "plane") == []
    assert names("cat", "dog") == []
    assert names() == []


def test_the_split_stands_in_a_files_name_as_a_word():
    for name, split in {
        "train-00000-of-00002.parquet": "train",
        "imagefolder-validation.arrow": "validation",
        "t10k-images-idx3-ubyte": "test",
        "x_test": "test",
        "Test.csv": "test",
        "latest.csv": "",
        "trainable.npz": "",
    }.items():
        assert split_of(name) == split


def test_validation_goes_before_test_and_training_and_what_has_no_split():
    items = [("", 0), ("train", 1), ("test", 2), ("val", 3), ("test", 4)]
    assert [split for split, _ in in_order_of_splits(items)] == ["val", "test", "train", ""]
    assert dict(in_order_of_splits(items))["test"] == [2, 4]


def test_a_choice_is_said_where_there_was_one():
    assert said(images_of("val"), Path("a")) == ("of a the val images are taken",)
    assert said(images_of("val"), Path("a"), is_only=True) == said(images_of(""), Path("a")) == ()
