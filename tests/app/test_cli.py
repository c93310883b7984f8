"""The command ``exray``: flags become configuration values as typed, verdicts an exit status."""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from exray.app import cli
from exray.app.cli import main
from exray.app.scan_command import FLAGS
from exray.app.task_result import TaskResult
from exray.results.model_scan import ModelScan
from exray.results.records import ScanRecord
from exray.results.store import ResultStore
from exray.rules.verdict import Verdict

AWKWARD = ["a b", "a,b", "a=b", "[a]", "~a", "a'b\"c", "{a: 1}", "${a}", "$(a)", "-a", "a#b", "ü"]


def exray(*words):
    """The exit status of ``exray WORDS``."""
    try:
        main([str(word) for word in words])
    except SystemExit as stop:
        return stop.code
    return 0


@pytest.fixture
def configs(monkeypatch):
    """Configurations that scans would run under; their verdict is clean."""
    seen = []

    def run_task(config, cell, words):
        del cell, words
        seen.append(config)
        return TaskResult(lines=("m\tclean\t0.1000\t0\t0",), status=0)

    monkeypatch.setattr("exray.app.run_command.run_task", run_task)
    return seen


@pytest.mark.parametrize("name", AWKWARD)
def test_paths_need_no_quotes(configs, tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    model = folder / f"{name}.pt"
    model.write_bytes(b"")
    factory = folder / f"{name}.py"
    factory.write_text("")
    words = ("scan", model, "--images", folder, "--factory", f"{factory}:build")
    assert exray(*words, "--results", folder, f"--name={name}") == 0
    (config,) = configs
    assert config.dataset.model == str(model)
    assert config.dataset.images == str(folder)
    assert config.dataset.factory == f"{factory}:build"
    assert config.paths.results == str(folder)
    assert config.name == name


def test_flags_are_values_of_the_configuration(configs, tmp_path):
    model = tmp_path / "m.pt"
    model.write_bytes(b"")
    words = ["--architecture", "plain_cnn", "--num-classes", "5", "--size", "40", "--crop", "32"]
    words += ["--mean", "0.5,0.4,0.3", "--std", "0.25,0.25,0.25", "--scaling", "min_max"]
    words += ["--channels", "bgr", "--layout", "channels_last", "--interpolation", "bicubic"]
    words += ["--class-order", "string", "--batch-statistics", "images"]
    words += ["--scanner", "k_arm", "--judge", "l2", "--layer", "conv2", "--device", "cpu"]
    assert exray("scan", model, "--images", tmp_path, *words, "--seed", "3", "--threads", "2") == 0
    (config,) = configs
    assert config.dataset.preprocess.mean == [0.5, 0.4, 0.3]
    assert (config.dataset.preprocess.size, config.dataset.preprocess.crop) == (40, 32)
    assert config.dataset.preprocess.channels == "bgr"
    assert config.dataset.preprocess.layout == "channels_last"
    assert config.dataset.preprocess.interpolation == "bicubic"
    assert (config.dataset.class_order, config.dataset.batch_statistics) == ("string", "images")
    assert (config.dataset.preprocess.scaling, config.dataset.num_classes) == ("min_max", 5)
    assert (config.scanner.name, config.judge.name) == ("k_arm", "l2")
    assert (config.layer.name, config.judge.engine.layer) == ("conv2", "conv2")
    assert (config.seed, config.trainer.accelerator, config.trainer.threads) == (3, "cpu", 2)
    assert config.name == "m"


def test_the_layer_is_where_scanner_and_judge_cut(configs, tmp_path):
    model = tmp_path / "m.pt"
    model.write_bytes(b"")
    assert exray("scan", model, "--images", tmp_path, "--layer", "conv2") == 0
    (config,) = configs
    assert (config.scanner.name, config.scanner.engine.layer) == ("portfolio", "conv2")
    assert config.judge.engine.layer == "conv2"


def test_a_scan_without_flags_is_that_of_dataset_folder(configs, tmp_path):
    model = tmp_path / "m.pt"
    model.write_bytes(b"")
    assert exray("scan", model, "--images", tmp_path) == 0
    (config,) = configs
    assert (config.scanner.name, config.judge.name) == ("portfolio", "exray_calibrated")
    assert (config.dataset.limit_per_class, config.seed, config.layer.name) == (40, 0, "middle")
    for key in FLAGS:
        assert key == "name" or key.split(".")[0] in config


def test_triggers_of_another_tool_choose_the_scanner(configs, tmp_path):
    model = tmp_path / "m.pt"
    model.write_bytes(b"")
    assert exray("scan", model, "--images", tmp_path, "--triggers", model) == 0
    assert configs[0].scanner.name == "external"
    assert configs[0].scanner.engine.triggers == str(model)


@pytest.mark.parametrize(
    ("verdict", "status"),
    [("clean", 0), ("natural-only", 0), ("trojaned", 1), ("failed", 2), ("inconclusive", 3)],
)
def test_the_exit_status_is_the_verdict(monkeypatch, capsys, tmp_path, verdict, status):
    line = f"m\t{verdict}\t0.5000\t0\t0"
    result = TaskResult(lines=(line,), status=0)
    monkeypatch.setattr("exray.app.run_command.run_task", lambda *_: result)
    (tmp_path / "m.pt").write_bytes(b"")
    assert exray("scan", tmp_path / "m.pt", "--images", tmp_path) == status
    assert capsys.readouterr().out == f"{line}\n"


@pytest.mark.parametrize("form", ["json", "sarif", "html"])
def test_a_document_holds_the_record_that_the_scan_stored(monkeypatch, capsys, tmp_path, form):
    def run_task(config, *_):
        record = ScanRecord(
            model_id="m", run_id="r", status="done", verdict=Verdict.CLEAN, probability=0.1
        )
        ResultStore(Path(config.paths.results) / config.name).write(ModelScan(record=record))
        return TaskResult(lines=("m\tclean\t0.1000\t0\t0",), status=0)

    monkeypatch.setattr("exray.app.run_command.run_task", run_task)
    (tmp_path / "m.pt").write_bytes(b"")
    words = ["--results", tmp_path / "results", "--format", form]
    assert exray("scan", tmp_path / "m.pt", "--images", tmp_path, *words) == 0
    out = capsys.readouterr().out
    if form == "html":
        assert out.startswith("<!doctype html>")
        assert "No backdoor was found" in out
    else:
        values = json.loads(out)
        assert (form == "sarif") == ("$schema" in values)
        assert form == "sarif" or values["models"][0]["record"]["verdict"] == "clean"


def test_a_page_of_several_names_those_that_were_not_scanned(monkeypatch, capsys, tmp_path):
    def run_task(config, *_):
        record = ScanRecord(
            model_id="m", run_id="r", status="done", verdict=Verdict.CLEAN, probability=0.1
        )
        ResultStore(Path(config.paths.results) / config.name).write(ModelScan(record=record))
        return TaskResult(lines=("m\tclean\t0.1000\t0\t0",), status=0)

    monkeypatch.setattr("exray.app.run_command.run_task", run_task)
    (tmp_path / "m.pt").write_bytes(b"")
    words = ["--results", tmp_path / "results", "--format", "html", "--images", tmp_path]
    assert exray("scan", tmp_path / "m.pt", tmp_path / "nowhere.pt", *words) == 2
    page = capsys.readouterr().out
    assert "1 of 2 models recorded" in page
    assert f"<td>{tmp_path / 'nowhere.pt'}</td>" in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--mean", "1,a"], "Invalid value for '--mean': '1,a' must be numbers"),
        (["--mean", "1,2"], "--mean must hold three numbers"),
        (["--scanner", "abz"], "--scanner must be one of abs, abs_both"),
        (["--judge", "l3"], "--judge must be one of deeplift"),
        (["--crop", "0"], "Invalid value for '--crop'"),
        (["--architecture", "plain_cnn", "--factory", "{}/f.py:f"], "--architecture or --factory"),
        (["--factory", "nowhere.py:f"], "--factory must be FILE.py:function with a file that"),
        (["--factory", "nowhere"], "--factory must be FILE.py:function"),
        (["--triggers", "nowhere.npz"], "--triggers must be a file; got 'nowhere.npz'"),
        (["--imagse", "x"], "No such option '--imagse'"),
    ],
)
def test_mistakes_are_one_line_that_names_the_flag(capsys, tmp_path, words, said):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "m.pt")
    (tmp_path / "f.py").write_text("")
    words = [word.format(tmp_path) for word in words]
    assert exray("scan", tmp_path / "m.pt", "--images", tmp_path, *words) == 2
    written = capsys.readouterr()
    assert not written.out
    assert written.err.startswith("exray: ")
    assert said in written.err
    assert written.err.count("\n") == 1


def test_an_unknown_command_is_one_line(capsys):
    assert exray("scn") == 2
    assert capsys.readouterr().err.startswith("exray: No such command 'scn'.")


def test_run_passes_every_word_on(monkeypatch):
    seen = []
    monkeypatch.setattr("exray.app.run_command.main", lambda words: seen.append(tuple(words)))
    words = ("-m", "judge=none,l2", "--cfg", "job", "~scan", "--help", "name='a b'")
    assert exray("run", *words) == 0
    assert seen == [words]


def test_trojai_passes_every_word_on(monkeypatch):
    seen = []
    monkeypatch.setattr("exray.app.trojai.command.main", lambda words: seen.append(tuple(words)))
    words = ("--model_filepath", "m.pt", "--result_filepath=p", "infer")
    assert exray("trojai", *words) == 0
    assert seen == [words]


@pytest.mark.parametrize("words", [["--help"], ["scan", "--help"], ["--version"]])
def test_help_comes_at_once(words):
    code = (
        "import sys\nfrom exray.app.cli import main\n"
        f"main({words!r})\n"
        "print([name for name in ('torch', 'hydra', 'pandas') if name in sys.modules])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0
    assert ran.stdout.endswith("[]\n")


def test_no_statistics_can_be_told(configs, tmp_path):
    model = tmp_path / "m.pt"
    model.write_bytes(b"")
    assert exray("scan", model, "--images", tmp_path, "--mean", "none", "--std", "none") == 0
    assert (configs[0].dataset.preprocess.mean, configs[0].dataset.preprocess.std) == ([], [])


@pytest.mark.parametrize("command", ["scan", "repair"])
def test_no_flag_is_read_and_then_forgotten(command):
    own = set(inspect.signature(cli.exray.commands[command].callback).parameters)
    mapped = {flag.lstrip("-").replace("-", "_").lower() for flag in FLAGS.values()}
    for option in cli.exray.commands[command].params:
        assert option.name in own | mapped, option.name
