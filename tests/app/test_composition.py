"""What a user gets wrong: one line on stderr that says the way out, and status 2."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from hydra import initialize_config_dir

from exray.app.composition import CommandWords, composed, first_composition
from exray.app.config import TASK_NAMES, register
from exray.app.run_command import CommandOutput
from exray.app.task_result import TaskResult
from exray.presets import conf_folder

RUN = Path(__file__).resolve().parents[2] / "run.py"


@contextmanager
def hydra():
    register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        yield


def first_mistake(words):
    try:
        with hydra():
            first_composition(CommandWords(words))
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["datast=x"], "the configuration has no key 'datast'; it has: task, dataset, scanner,"),
        (["+datast=x"], "the configuration has no key 'datast'; it has: task, dataset, scanner,"),
        (["scanner=abz"], "scanner has no option 'abz'; it has: abs"),
        (["debug=fst"], "debug has no option 'fst'; it has: fast"),
        (
            ["scanner.engine.min_asrr=1"],
            "scanner.engine has no key 'min_asrr'; it has: min_asr, ",
        ),
        (
            ["judge.engine.mask.epoch=1"],
            "judge.engine.mask has no key 'epoch'; it has: obj",
        ),
        (["judge=none", "judge.engine.mask=1"], "judge.engine has no key 'mask'; it has: none"),
        (["seed=abc"], "seed=abc: Value 'abc' of type 'str' could not be converted to Integer"),
        (["limit=abc"], "limit=abc: Value 'abc' of type 'str' could not be converted to Integer"),
        (["blah"], "Error parsing override 'blah'; missing EQUAL"),
        (["judge=none,exray"], "add --multirun to your command line"),
        (
            ["name=sweep/judge=none"],
            "name=sweep/judge=none holds a sign that Hydra reads, so it needs quotes in quotes: "
            "'name=\"sweep/judge=none\"'",
        ),
        (["-m", "seed=0,1", "name=a/b=c"], "so it needs quotes in quotes: 'name=\"a/b=c\"'"),
        (["name=it's"], "name=it's holds a sign that Hydra reads, so it needs quotes in quotes"),
        (["name=a]b"], "name=a]b holds a sign that Hydra reads"),
        (["dataset=folder"], "dataset.images must be given; missing: dataset.images=... dataset."),
        (["-m", "judge=none,abz"], "judge has no option 'abz'; it has: "),
        (["-m", "datast=x,y"], "the configuration has no key 'datast'; it has: task"),
        (["-m", "judge=none,exray", "seed=a"], "could not be converted to Integer"),
        (["-m", "dataset=signs_mini,folder"], "dataset.images must be given"),
        (
            ["-m", "judge=none,exray", "judge.engine.mask.epochs=5"],
            "judge.engine has no key 'mask'; it has: none (in cell judge=none; words must fit "
            "every cell: sweep the others without it)",
        ),
    ],
)
def test_words_that_do_not_compose_are_one_line(command, words, said):
    assert said in command(*words).mistake()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["shard=5/2"], "shard must read INDEX/COUNT with INDEX < COUNT; got '5/2'"),
        (["limit=0"], "limit must be >= 1; got 0"),
        (
            ["task=bogus"],
            "task must be one of scan, build_zoo, report, rejudge, compare, tabulate, dashboard, "
            "fit, repair; got 'bogus'",
        ),
        (
            ["judge.engine.rule.similarity_threshold=abc"],
            "judge.engine.rule.similarity_threshold must be a number; got 'abc'",
        ),
        (["scan.temperature=fited"], "scan.temperature must be one of fitted, none; got 'fited'"),
        (["scan.samples_per_class=1.5"], "scan.samples_per_class must be a whole number or null"),
        (
            ["scanner.engine.min_asr=2"],
            "scanner.engine.min_asr must be a fraction in (0, 1]; got 2",
        ),
        (["scanner.engine.rounds=[]"], "scanner.engine.rounds must hold at least one round"),
        (["scanner.engine=5"], "a Scanner is described by its _target_; got 5"),
        (["+scan.min_accuracy=0.5"], "scan has no key 'min_accuracy'; it has: min_clean_acc"),
        (["~scan.min_clean_accuracy"], "scan.min_clean_accuracy must be given"),
        (
            ["scan._target_=exray.judges.baselines.no_judge.KeepAll"],
            "scan has no key 'min_clean_accuracy'",
        ),
        (["trainer.accelerator=tpu"], "trainer.accelerator must be auto, cpu or gpu; got 'tpu'"),
        (["trainer.threads=0"], "trainer.threads must be null or a whole number >= 1; got 0"),
        (["trainer.threads=all"], "trainer.threads must be null or a whole number >= 1; got 'all'"),
        (["dataset.root=/nowhere"], "/nowhere/manifest.json does not exist; dataset.root names"),
        (["paths.results=/dev/null/x"], "Not a directory"),
    ],
)
def test_values_that_cannot_be_used_are_one_line(command, quick, words, said):
    assert said in command(*quick, *words).mistake()


def test_a_value_that_no_cell_can_use_is_told_once_and_makes_no_table(command, tmp_path):
    words = ("experiment=table_1", f"paths.results={tmp_path}", "dataset=signs_mini")
    said = command(*words, "dataset.half=tunning").mistake()
    assert said == "dataset.half must be one of tuning, reporting or null; got 'tunning'"


def test_a_value_that_some_cells_cannot_use_is_told_once_with_their_names(capsys):
    output = CommandOutput()
    output.show(TaskResult(lines=("m0",), status=0))
    for cell in ("seed=1", "seed=2"):
        output.show(TaskResult(lines=(), status=2, mistake="alpha must be positive", cell=cell))
    output.print_mistakes()
    output.print_mistakes()
    assert capsys.readouterr().err == "exray: seed=1; seed=2: alpha must be positive\n"


def test_the_logger_is_checked_before_anything_is_scanned(command, quick, tmp_path):
    said = command(*quick, "logger=wandb", "logger.mode=later").mistake()
    assert said == "mode must be one of offline, online, disabled; got 'later'"
    assert not list((tmp_path / "results").rglob("record.json"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dataset.model=nowhere.pt"], "dataset.model must be a file; got 'nowhere.pt'; there"),
        (["dataset.images=nowhere"], "dataset.images must be a folder; got 'nowhere'; there"),
        (["dataset.architecture=plain_cnn"], "dataset.architecture and factory both"),
        (["dataset.factory=null"], "weights without a network; give exactly one of"),
        (["dataset.limit_per_class=many"], "dataset.limit_per_class must be a whole number or nul"),
        (["dataset.preprocess.mean=0.5"], "dataset.preprocess.mean must be a list, each item a nu"),
        (["dataset.preprocess.std=[0.5,0,1]"], "preprocess.std must hold positive numbers"),
        (
            ["dataset.preprocess.mean=[1,2]"],
            "dataset.preprocess.mean must hold three numbers (four of rgba), one",
        ),
        (
            ["dataset.class_order=reverse"],
            "class_order must be one of index, string, one_based, one_based_string",
        ),
        (
            ["dataset.batch_statistics=own"],
            "batch_statistics must be one of stored, images; got 'own'",
        ),
        (
            ["dataset.preprocess.interpolation=cubic"],
            "interpolation must be one of bilinear, bicubic, nearest, box",
        ),
        (
            ["dataset.preprocess.scaling=half"],
            "preprocess.scaling must be one of unit, min_max, byte or null; got 'half'",
        ),
    ],
)
def test_a_strangers_model_described_wrongly_is_one_line(command, stranger, words, said):
    assert said in command(*stranger, *words).mistake()


def test_a_zoo_that_is_not_there_is_told_with_the_words_that_build_it(command, tmp_path):
    said = command("dataset=signs", f"dataset.root={tmp_path}/zoo").mistake()
    assert said.endswith(
        "dataset.root names the zoo's folder; build the zoo there with: "
        f"python run.py task=build_zoo dataset=signs dataset.root={tmp_path}/zoo"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["task=foo"], f"task must be one of {', '.join(TASK_NAMES)}; got 'foo'"),
        (["limit=0"], "limit must be >= 1; got 0"),
        (["shard=4/4"], "shard must read INDEX/COUNT with INDEX < COUNT; got '4/4'"),
        (["kinds=polygon"], "kinds must be a list, kinds=[polygon]; got polygon"),
        (["--foo"], "--foo is no option; settings are KEY=VALUE, and --help lists them"),
        (["-m", "seed=0,1,0"], "seed is swept over 0 twice; give each value once"),
        (["--cfg", "job", "judge=exrey"], "judge has no option 'exrey'; it has: "),
    ],
)
def test_mistakes_that_need_no_torch_are_found_without(words, said):
    assert first_mistake(words).startswith(said)


def test_flags_may_stand_anywhere_and_their_values_are_no_settings():
    assert CommandWords(["seed=0,1", "-m", "--cfg", "job", "judge=l2"]).arranged == [
        *("-m", "--cfg", "job"),
        *("seed=0,1", "judge=l2"),
    ]
    assert CommandWords(["seed=1", "--info", "config"]).arranged == ["--info", "config", "seed=1"]
    assert CommandWords(["--cfg", "job", "name=x", "-m"]).overrides == ["name=x"]
    for unfinished in ("dataset=folder", "scanner=external"):
        with hydra():
            assert composed([unfinished], whole=False).config
        assert "must be given" in first_mistake([unfinished])


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil"])
def test_a_name_that_leads_out_of_the_results_is_one_line(command, name):
    said = command(f"name={name}").mistake()
    assert said.startswith("name must lead to a folder below ")
    assert said.endswith(f"got {name!r}")


def test_words_that_compose_are_no_mistake():
    assert not first_mistake(["judge=none", "seed=1"])
    assert not first_mistake(["-m", "judge=none,exray", "seed=range(3)"])


def test_what_is_swept_is_told_from_lists_and_plain_values():
    words = CommandWords(["-m", "judge=none,exray", "seed=1", "a=[1,2]", "b=range(3)"])
    assert words.swept_keys() == ["judge", "b"]


def test_help_comes_at_once_and_without_torch():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(RUN), "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "hydra" in imported
    assert not {"torch", "pytorch_lightning", "pandas", "wandb"} & imported
    for word in ("task=build_zoo", "dataset=folder", "Exit status: 0", "min_asr"):
        assert word in done.stdout


def test_tab_completion_installs_and_knows_groups_and_keys():
    def completed(typed, *words):
        environment = {**os.environ, "COMP_LINE": typed, "COMP_POINT": str(len(typed))}
        command = [sys.executable, str(RUN), "-sc", *words]
        options = {"capture_output": True, "text": True, "timeout": 60, "check": True}
        return subprocess.run(command, env=environment, **options).stdout

    assert "complete -o nospace" in completed("", "install=bash")
    assert "judge=exray_calibrated" in completed("python run.py judge=ex", "query=bash").split()
