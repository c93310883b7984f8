"""Paths of every spelling reach the configuration as they are typed."""

from contextlib import chdir
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from exray.app.composition import CommandWords
from exray.app.config import register
from exray.app.path_words import quoted, quoted_paths
from exray.presets import conf_folder

NAMES = [
    "epoch=3-step=10.ckpt", "my model.pt", "a,b.pt", "(1).pt", "a (copy).pt", "[x].pt", "a#b.pt",
    "50%.pt", "a@b.pt", "it's.pt", 'say "hi".pt', "a{b}.pt", "{x}.pt", "~a.pt", "a\\b.pt",
    "a\\", "a:b.pt", "a;b&c|d.pt", "-a.pt", "modèle.pt", "${a}.pt", "$HOME.pt", "null", "true",
    "1.5", "1e3", "a=b,c=d.pt", "'a'.pt", "'a'", "a'", "\\'a", "a  b.pt", "*.pt", "!a?.pt", "+a",
    "a\ttab.pt", "choice(a,b)",
]  # fmt: skip


def read(word):
    """What OmegaConf makes of the value that Hydra reads, as composing does, but at once."""
    (setting,) = CommandWords([word]).overrides
    value = OverridesParser.create().parse_override(setting).value()
    return OmegaConf.create({"path": value}).path


@pytest.mark.parametrize("folder", [True, False], ids=["with folder", "alone"])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_any_name_is_taken_as_it_is_typed(tmp_path, name, folder):
    if name == "null" and not folder:
        pytest.skip("null is no path; ./null is")
    (tmp_path / name).write_bytes(b"")
    typed = str(tmp_path / name) if folder else name
    with chdir(tmp_path):
        assert str(read(f"dataset.model={typed}")) == typed.replace(
            "null", "None" if folder is False else "null"
        )


@pytest.mark.parametrize("name", [name for name in NAMES if "${" not in name])
def test_a_file_that_is_not_there_is_named_as_it_was_typed(name):
    assert read(f"dataset.model=/nowhere/{name}") == f"/nowhere/{name}"


def test_a_leading_tilde_is_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read("dataset.model=~/my model.pt") == f"{tmp_path}/my model.pt"
    assert read("dataset.images=~/x") == f"{tmp_path}/x"
    assert read("++dataset.model=~/a,b") == f"{tmp_path}/a,b"


def test_a_factory_in_a_file_of_any_name_is_taken(tmp_path):
    (tmp_path / "my net=1.py").write_text("")
    spec = f"{tmp_path}/my net=1.py:build"
    assert read(f"dataset.factory={spec}") == spec


def test_other_keys_and_quoted_values_stay_as_they_are():
    words = ["seed=0,1", "name=a,b", "kinds=[a,b]", "dataset.model='a b'", 'dataset.root="x=y"']
    words += ["dataset.model=${oc.env:HOME}/x.pt", "dataset.model=", "dataset.model=plain/a-1.pt"]
    assert quoted_paths(words, is_sweep=False) == words
    assert quoted_paths(["blah", "~dataset.model"], is_sweep=False) == ["blah", "~dataset.model"]


def test_a_sweep_over_paths_is_one_and_a_file_with_a_comma_is_not(tmp_path):
    for name in ("a=1.pt", "b 2.pt", "c,d.pt"):
        (tmp_path / name).write_bytes(b"")
    a, b, c = (f"{tmp_path}/{name}" for name in ("a=1.pt", "b 2.pt", "c,d.pt"))
    swept = quoted_paths([f"dataset.model={a},{b}"], is_sweep=True)
    assert swept == [f"dataset.model='{a}','{b}'"]
    assert quoted_paths([f"dataset.model={c}"], is_sweep=True) == [f"dataset.model='{c}'"]
    glob = ["dataset.model=choice(a.pt,b.pt)"]
    assert quoted_paths(glob, is_sweep=True) == glob
    assert CommandWords(["-m", f"dataset.model={a},{b}"]).swept_keys() == ["dataset.model"]


def test_paths_of_several_files_without_a_sweep_are_left_to_be_refused(tmp_path):
    for name in ("a.pt", "b.pt"):
        (tmp_path / name).write_bytes(b"")
    word = f"dataset.model={tmp_path}/a.pt,{tmp_path}/b.pt"
    assert quoted_paths([word], is_sweep=False) == [word]


def test_quoted_text_means_nothing_to_hydra():
    for text in ("a", "it's", "a\\", "\\'", "${x}", "\\${x}", "a\\\\", "x'\\'y"):
        value = OverridesParser.create().parse_override(f"name={quoted(text)}").value()
        assert OmegaConf.create({"name": value}).name == text


def test_the_settings_compose():
    register()
    words = CommandWords(["dataset=folder", "dataset.model=/x/it's {a}=3 (1).pt", "name=x"])
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("config", overrides=words.overrides)
    assert config.dataset.model == "/x/it's {a}=3 (1).pt"


def test_a_path_that_no_file_system_takes_is_quoted_all_the_same():
    long = "x y" * 3000
    assert quoted_paths([f"dataset.model={long}"], is_sweep=False) == [f"dataset.model='{long}'"]
    assert Path(long).name == long
