"""Files, folders of models, hub folders and lists."""

import re

import pytest

from exray.app.model_files import named_models, run_names


@pytest.fixture
def tree(tmp_path):
    """A folder of models: files of its own, a hub folder, hidden things and others."""
    names = ("b.pt", "a.safetensors", "notes.txt", "sub/C.PTH", ".cache/x.pt", ".hidden.pt")
    for name in (*names, "hub/config.json", "hub/model.safetensors", "hub/optimizer.pt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def test_a_folder_stands_for_its_models_and_a_hub_folder_is_one(tree):
    found = named_models([str(tree)], ())
    assert found == [str(tree / name) for name in ("a.safetensors", "b.pt", "hub", "sub/C.PTH")]
    assert named_models([str(tree / "hub")], ()) == [str(tree / "hub")]


def test_a_model_that_is_named_twice_is_scanned_once(tree):
    words = [str(tree / "b.pt"), "-"]
    assert named_models(words, [f"{tree / 'b.pt'}\n", "\n", "nowhere.pt\n"]) == [
        str(tree / "b.pt"),
        "nowhere.pt",  # refused where it is scanned, by its name
    ]


def test_a_folder_without_models_is_refused_with_what_was_looked_for(tree):
    (tree / "empty").mkdir()
    with pytest.raises(ValueError, match=re.escape("empty' holds no config.json and no file")):
        named_models([str(tree / "empty")], ())


def test_an_empty_list_is_refused():
    with pytest.raises(ValueError, match="no model is named"):
        named_models(["-"], ["\n"])


def test_runs_of_one_name_are_told_apart_by_their_folders():
    models = ["x/a/model.pt", "y/a/model.pt", "x/b/model.pt"]
    assert run_names(models, None) == ["x_a_model", "y_a_model", "x_b_model"]


def test_files_that_differ_in_their_ending_alone_are_numbered():
    assert len(set(run_names(["/m.pt", "/m.pth", "/n.pt"], None))) == 3


def test_a_hub_folder_gives_its_own_name(tree):
    assert run_names([str(tree / "hub")], None) == ["hub"]
