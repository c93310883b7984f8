"""What `exray repair` turns its flags into, and what it refuses."""

import pytest

from exray.app.cli import main
from exray.app.task_result import TaskResult


def exray(*words):
    try:
        main([str(word) for word in words])
    except SystemExit as stop:
        return stop.code
    return 0


@pytest.fixture
def configs(monkeypatch):
    """Configurations that repairs would run under, and the status that they end with."""
    seen, status = [], ["repaired"]

    def run_task(config, cell, words):
        del cell, words
        seen.append(config)
        return TaskResult(lines=(f"m\t{status[0]}\t-\t-\t-\t-\t-",), status=0)

    monkeypatch.setattr("exray.app.run_command.run_task", run_task)
    return seen, status


@pytest.fixture
def paths(tmp_path):
    (tmp_path / "m.pt").write_bytes(b"")
    out = tmp_path / "new.safetensors"
    return (tmp_path / "m.pt", "--images", tmp_path, "-o", out)


def test_flags_are_values_of_the_configuration(configs, paths, tmp_path):
    words = ("--architecture", "plain_cnn", "--size", "40", "--crop", "32", "--seed", "3")
    more = ("--all-triggers", "--rounds", "2", "--max-accuracy-drop", "0.1", "--force")
    assert exray("repair", *paths, *words, *more, "--results", tmp_path, "--threads", "2") == 0
    ((config,), _) = configs
    assert config.task == "repair"
    assert config.dataset.model == str(tmp_path / "m.pt")
    assert (config.dataset.architecture, config.dataset.preprocess.crop) == ("plain_cnn", 32)
    assert (config.seed, config.trainer.threads, config.name) == (3, 2, "m_repair")
    assert config.repair.output == str(tmp_path / "new.safetensors")
    assert config.repair.force is True
    assert config.repair.settings.triggers == "all"
    assert (config.repair.settings.rounds, config.repair.settings.max_accuracy_drop) == (2, 0.1)
    assert config.dataset.limit_per_class == 100


def test_the_defaults_are_those_of_the_task(configs, paths):
    assert exray("repair", *paths, "--method", "unlearning") == 0
    ((config,), _) = configs
    assert (config.scanner.name, config.judge.name) == ("portfolio", "exray_calibrated")
    assert config.repair.settings.triggers == "injected"
    assert config.repair.force is False


def test_triggers_of_another_tool_choose_the_scanner(configs, paths):
    assert exray("repair", *paths, "--triggers", paths[0]) == 0
    assert configs[0][0].scanner.name == "external"


@pytest.mark.parametrize(
    ("status", "code"),
    [("repaired", 0), ("forced", 0), ("refused", 1), ("failed", 2), ("nothing", 3)],
)
def test_the_exit_status_says_what_became_of_it(configs, paths, status, code):
    configs[1][0] = status
    assert exray("repair", *paths) == code


def test_an_output_that_exists_is_refused(paths, capsys):
    paths[-1].write_bytes(b"mine")
    assert exray("repair", *paths) == 2
    said = f"exray: --output must be a new file, and {paths[-1]} exists; name another\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--method", "prune"), "--method must be one of "),
        (("--max-accuracy-drop", "3"), "Invalid value for '--max-accuracy-drop': 3.0 is not in"),
        (("--scanner", "abz"), "--scanner must be one of abs, "),
    ],
)
def test_a_flag_that_cannot_be_is_one_line(paths, capsys, words, said):
    assert exray("repair", *paths, *words) == 2
    written = capsys.readouterr()
    assert written.err.startswith(f"exray: {said}")
    assert (written.err.count("\n"), written.out) == (1, "")


def test_a_mistake_of_the_task_names_the_flag(monkeypatch, paths, capsys):
    mistake = "repair.output must end in .safetensors; got x.pt"
    monkeypatch.setattr(
        "exray.app.run_command.run_task",
        lambda *_: TaskResult(lines=(), status=2, mistake=mistake),
    )
    assert exray("repair", *paths) == 2
    assert capsys.readouterr().err == f"exray: {mistake.replace('repair.output', '--output')}\n"
