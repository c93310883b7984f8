"""What `exray scan` checks and says before and after a scan."""

import io
import json
import sys

import pytest

from exray.app.exit_status import INTERRUPTED, MISTAKE
from exray.app.scan_command import FLAGS, ModelRun, check_values, in_flags, scan_models


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "m.pt"
    path.write_bytes(b"")
    return path


def scan(model, **choices):
    return scan_models([str(model)], {"dataset.images": str(model.parent)}, **choices)


def test_every_key_becomes_its_flag_and_longer_keys_are_not_cut():
    for key, flag in FLAGS.items():
        if "." in key:
            assert in_flags(f"{key} must be given") == f"{flag} must be given"
            assert in_flags(f"got {key}=3") == f"got {flag} 3"
    assert in_flags("choose another name=...") == "choose another --name"
    told = "give exactly one of architecture=NAME and factory=FILE.py:function"
    assert in_flags(told) == (
        "give exactly one of --architecture NAME and --factory FILE.py:function"
    )
    assert in_flags("seed must be a number") == "seed must be a number"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"dataset.model": "nowhere.pt"}, "FILE must be a file; got 'nowhere.pt'"),
        ({"dataset.images": "nowhere"}, "--images must be a folder; got 'nowhere'"),
        ({"scanner.triggers": "nowhere"}, "--triggers must be a file; got 'nowhere'"),
        ({"dataset.factory": "nowhere"}, "--factory must be FILE.py:function"),
        ({"dataset.architecture": "resnet19"}, "--architecture 'resnet19' is not known"),
        ({"dataset.images": "{}/i.zip"}, ".*got the file .*; unpack it and give the folder"),
        ({"dataset.architecture": "vit"}, ".*did you mean torchvision/vit_"),
    ],
)
def test_what_does_not_exist_is_refused_by_its_flag(values, said, tmp_path):
    (tmp_path / "i.zip").write_bytes(b"PK")
    values = {key: value.format(tmp_path) for key, value in values.items()}
    with pytest.raises(ValueError, match=f"^{said}"):
        check_values(values)
    check_values(dict.fromkeys(values))  # None leaves the default


def test_an_option_that_is_none_is_a_mistake_of_one_line(model, capsys):
    assert scan(model, judge="l3") == MISTAKE
    written = capsys.readouterr()
    assert written.err.startswith("exray: --judge must be one of deeplift, ")
    assert (written.err.count("\n"), written.out) == (1, "")


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), INTERRUPTED, "exray: interrupted; the same command starts again\n"),
        (OSError("paths.results is full"), MISTAKE, "exray: --results is full\n"),
    ],
)
def test_what_stops_a_scan_is_one_line(model, monkeypatch, capsys, error, status, said):
    def stopped(*_):
        raise error

    monkeypatch.setattr("exray.app.scan_command._scanned", stopped)
    assert scan(model) == status
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("fast", [False, True])
def test_a_fast_scan_adds_the_debug_preset_and_says_so(model, monkeypatch, capsys, fast):
    choices = []
    monkeypatch.setattr(
        "exray.app.scan_command._scanned",
        lambda _, words: (
            choices.extend(words) or ModelRun(file="m", line="m\tinconclusive\t0.5\t0\t0")
        ),
    )
    assert scan(model, scanner="abs", fast=fast) == 3
    assert choices == ["scanner=abs", *(["debug=fast"] if fast else [])]
    assert ("--fast tries files and flags" in capsys.readouterr().err) == fast


@pytest.fixture
def verdicts(monkeypatch):
    """Scans that end as files are called, each under the name of its run."""
    names = []

    def scanned(values, _):
        names.append(values["name"])
        word = str(values["dataset.model"]).rpartition("/")[2].partition(".")[0]
        if word == "mistake":
            raise ValueError("dataset.images must be a folder")
        return ModelRun(file=str(values["dataset.model"]), line=f"m\t{word}\t0.5\t0\t0")

    monkeypatch.setattr("exray.app.scan_command._scanned", scanned)
    return names


def files(tmp_path, *names):
    for name in names:
        (tmp_path / name).write_bytes(b"")
    return [str(tmp_path / name) for name in names]


@pytest.mark.parametrize(
    ("names", "status"),
    [
        (["clean.pt", "natural-only.pt"], 0),
        (["clean.pt", "inconclusive.pt"], 3),
        (["inconclusive.pt", "failed.pt", "clean.pt"], 2),
        (["mistake.pt", "inconclusive.pt"], 2),
        (["mistake.pt", "clean.pt", "trojaned.pt", "inconclusive.pt"], 1),
    ],
)
def test_of_several_models_the_worst_is_the_exit_status(verdicts, tmp_path, capsys, names, status):
    words = files(tmp_path, *names)
    assert scan_models(words, {"dataset.images": str(tmp_path)}) == status
    written = capsys.readouterr()
    assert verdicts == [name.partition(".")[0] for name in names]
    scanned = [name for name in verdicts if name != "mistake"]
    assert [line.split("\t")[1] for line in written.out.splitlines()] == scanned
    assert f"exray: 1 of {len(names)}: {words[0]}\n" in written.err
    if "mistake.pt" in names:
        assert f"exray: {tmp_path / 'mistake.pt'}: --images must be a folder\n" in written.err


def test_paths_may_come_from_stdin_and_runs_have_a_folder_each(verdicts, tmp_path, monkeypatch):
    words = files(tmp_path, "clean.pt", "natural-only.pt")
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join([*words, "", words[0]])))
    assert scan_models(["-"], {"dataset.images": str(tmp_path)}, name="mine") == 0
    assert verdicts == ["mine/clean", "mine/natural-only"]


def test_a_mistake_alone_is_a_document_too(verdicts, tmp_path, capsys):
    (word,) = files(tmp_path, "mistake.pt")
    assert scan_models([word], {"dataset.images": str(tmp_path)}, form="json") == MISTAKE
    (model,) = json.loads(capsys.readouterr().out)["models"]
    assert (model["verdict"], model["probability"]) == ("failed", None)
    assert model["error"] == "--images must be a folder"
    assert scan_models([word], {"dataset.images": str(tmp_path)}, form="html") == MISTAKE
    assert capsys.readouterr().out == ""
    assert verdicts == ["mistake", "mistake"]


def test_the_answer_goes_to_a_file_where_one_is_named(verdicts, tmp_path, capsys):
    words = files(tmp_path, "clean.pt")
    place = tmp_path / "answer.txt"
    assert scan_models(words, {"dataset.images": str(tmp_path)}, output=str(place)) == 0
    assert place.read_text() == "m\tclean\t0.5\t0\t0\n"
    assert capsys.readouterr().out == ""
    assert verdicts == ["clean"]


@pytest.mark.parametrize("output", ["{}", "{}/nowhere/answer.json"])
def test_an_output_that_cannot_be_written_is_refused_before_the_scan(
    verdicts, tmp_path, capsys, output
):
    words = files(tmp_path, "clean.pt")
    named = output.format(tmp_path)
    assert scan_models(words, {"dataset.images": str(tmp_path)}, output=named) == MISTAKE
    assert "--output must be a file in a folder that exists" in capsys.readouterr().err
    assert verdicts == []
