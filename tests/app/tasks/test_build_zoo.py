"""Building a dataset's zoo from the command line."""

import pytest

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_zoo_is_built_by_its_task(command, tmp_path):
    words = (
        "task=build_zoo",
        "trainer=cpu",
        f"dataset.root={tmp_path / 'zoo'}",
        "dataset.recipe.num_clean=1",
        "dataset.recipe.attacks.polygon.count=0",
        "dataset.recipe.architecture=plain_cnn",
        "dataset.recipe.num_classes=2",
        "dataset.recipe.family_sizes=[1]",
        "dataset.recipe.image_size=32",
        "dataset.recipe.min_clean_accuracy=0.0",
        "dataset.recipe.min_class_accuracy=0.0",
        "dataset.recipe.training.epochs=1",
        "dataset.recipe.training.images_per_class=8",
        "dataset.recipe.training.batch_size=8",
        "dataset.recipe.training.test_per_class=2",
    )
    ran = command(*words)
    assert ran.status == 0, ran.err
    (line,) = [line.split("\t") for line in ran.out.splitlines()]
    assert line[:2] == ["id-00000000", "clean"]
    assert line[3] == ""
    assert command(*words).out == ran.out


def test_a_zoo_that_cannot_be_built_says_so_in_a_line(command, tmp_path):
    ran = command(
        "task=build_zoo",
        "trainer=cpu",
        f"dataset.root={tmp_path / 'zoo'}",
        "dataset.recipe.num_clean=1",
        "dataset.recipe.attacks.polygon.count=0",
        "dataset.recipe.architecture=plain_cnn",
        "dataset.recipe.image_size=32",
        "dataset.recipe.min_clean_accuracy=1.0",
        "dataset.recipe.max_attempts=1",
        "dataset.recipe.training.epochs=1",
        "dataset.recipe.training.images_per_class=2",
        "dataset.recipe.training.batch_size=4",
        "dataset.recipe.training.test_per_class=2",
    )
    assert ran.status == 1
    assert not ran.out
    assert "Traceback" not in ran.err
    assert "met the bars in 1 attempts" in ran.err


def test_a_folder_cannot_be_built(command, stranger):
    said = command(*stranger, "task=build_zoo").mistake()
    assert said == "dataset=folder is no zoo that can be built; try signs"


def test_the_zoo_that_is_shipped_is_not_built_in_its_place(command):
    said = command("task=build_zoo", "dataset=signs_mini").mistake()
    assert said == (
        "dataset.root=null is the place of zoos that are shipped with exray; say where to build "
        "signs_mini: dataset.root=results/zoos/signs_mini"
    )
