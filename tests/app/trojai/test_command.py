"""exray-trojai, driven as NIST's example container is: a number always, in time."""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from exray.app.trojai import command as trojai
from exray.app.trojai import worker as trojai_worker

ROOT = Path(__file__).resolve().parents[3]
QUICK = (
    "trainer=cpu",
    "scanner=abs",
    "judge=none",
    "scanner.engine.rounds=[{steps: 2, images_per_victim: 2, min_score: 0.0, keep: 1}]",
    "scanner.engine.stimulation.targets_per_victim=1",
    "scanner.engine.stimulation.layer='1'",
)
SLOW_START = "import time; time.sleep(60)"

pytestmark = pytest.mark.usefixtures("one_thread")
within = pytest.mark.usefixtures("inside")


class Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.fixture
def words(trojai_round, tmp_path):
    """The example's command line, with an argument of a later round."""
    folder = trojai_round / "id-00000000"
    return [
        "--model_filepath", str(folder / "model.pt"),
        "--result_filepath", str(tmp_path / "out" / "result.txt"),
        "--scratch_dirpath", str(tmp_path / "scratch"),
        "--examples_dirpath", str(folder / "example_data"),
        "--round_training_dataset_dirpath", "/nowhere",
    ]  # fmt: skip


@pytest.fixture
def inside(monkeypatch):
    """The worker in this process: seconds less a test."""

    def run(command, folder, seconds):
        del folder, seconds
        try:
            trojai_worker.main(command[-1:])
        except Exception as error:
            return str(error)
        return ""

    monkeypatch.setattr(trojai, "_run", run)
    # A test's process keeps its own handler.
    monkeypatch.setattr(trojai.signal, "signal", lambda *_: None)


def results(tmp_path):
    """The one number in the file, and what stands beside it."""
    place = tmp_path / "out" / "result.txt"
    (line,) = place.read_text().splitlines()
    beside = json.loads(place.with_name("result.txt.json").read_text())
    assert float(line) == beside["probability"]
    assert sorted(path.name for path in place.parent.iterdir()) == ["result.txt", "result.txt.json"]
    return float(line), beside


@within
def test_a_scan_writes_its_probability(words, tmp_path):
    trojai.main(["infer", *words, "--of_a_later_round", "x", *QUICK])
    probability, beside = results(tmp_path)
    assert 0 <= probability <= 1
    assert (beside["is_prior"], beside["reason"]) == (False, "")
    assert beside["verdict"] in ("clean", "trojaned")
    assert "rebuilt from a list of known layers" in beside["warnings"][0]
    assert list((tmp_path / "scratch").iterdir()) == []


@within
@pytest.mark.parametrize("overrides", [{"judge": "nothing"}, {"seed": 3, "scaner": 1}, [1]])
def test_metaparameters_are_overrides_and_mistakes_in_them_give_the_prior(
    words, tmp_path, overrides
):
    path = tmp_path / "metaparameters.json"
    path.write_text(json.dumps(overrides))
    trojai.main([*words, "--metaparameters_filepath", str(path), "--prior", "0.25"])
    probability, beside = results(tmp_path)
    assert (probability, beside["is_prior"]) == (0.25, True)
    assert any(said in beside["reason"] for said in ("nothing", "scaner", "must hold a JSON obj"))


@within
@pytest.mark.parametrize("case", ["hostile", "no model", "no examples", "wrong classes"])
def test_what_cannot_be_scanned_gets_the_prior_and_says_why(
    words, trojai_round, tmp_path, capsys, case
):
    folder, canary = trojai_round / "id-00000000", tmp_path / "canary"
    examples = folder / "example_data"
    if case == "hostile":
        (folder / "model.pt").write_bytes(pickle.dumps(Canary(canary)))
    elif case == "no model":
        (folder / "model.pt").unlink()
    elif case == "no examples":
        examples.rename(folder / "elsewhere")
    else:  # every example under another class's name
        names = [path.name for path in examples.iterdir()]
        examples.rename(folder / "right")
        examples.mkdir()
        for name in names:
            number = int(name.split("_")[1])
            wrong = name.replace(f"class_{number}_", f"class_{(number + 1) % 3}_")
            (folder / "right" / name).rename(examples / wrong)
    trojai.main([*words, *QUICK])
    probability, beside = results(tmp_path)
    assert (probability, beside["is_prior"]) == (0.5, True)
    said = {
        "hostile": "would run code when loaded (posix.system)",
        "no model": "does not exist",
        "no examples": "does not exist; name the one there is",
        "wrong classes": "inconclusive: clean accuracy",
    }
    assert said[case] in beside["reason"]
    assert beside["reason"] in capsys.readouterr().err
    assert not canary.exists()


def test_the_command_is_a_console_script_and_the_containers_entry():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts["exray-trojai"] == "exray.app.trojai.command:main"
    container = (ROOT / "Dockerfile").read_text()
    assert 'ENTRYPOINT ["exray-trojai"]' in container
    copied = [line.split()[1:-1] for line in container.splitlines() if line.startswith("COPY")]
    assert all((ROOT / name).exists() for names in copied for name in names)


def started(words, *more, worker=None):
    """The command in a process of its own; ``worker`` is code to run instead of the scan."""
    code = "from exray.app.trojai import command as trojai; import sys\n"
    if worker is not None:
        code += "run = trojai._run\n"
        code += f"trojai._run = lambda c, *a: run([c[0], '-c', {worker!r}], *a)\n"
    code += "trojai.main(sys.argv[1:])"
    return subprocess.Popen([sys.executable, "-c", code, *words, *more], cwd=ROOT)


def test_the_time_limit_holds_whatever_the_scan_does(words, tmp_path):
    start = time.monotonic()
    process = started(words, "--time_limit_seconds", "4", worker=SLOW_START)
    assert process.wait(timeout=30) == 0
    probability, beside = results(tmp_path)
    assert (probability, beside["is_prior"]) == (0.5, True)
    assert re.match("the scan was stopped after [123] seconds, at its time", beside["reason"])
    assert beside["seconds"] <= 4.0
    assert time.monotonic() - start < 25


def test_a_scan_that_dies_leaves_the_prior_and_its_last_words(words, tmp_path):
    dies = "import os, sys; sys.stderr.write('out of memory\\n'); sys.stderr.flush(); os.abort()"
    assert started(words, worker=dies).wait(timeout=30) == 0
    _, beside = results(tmp_path)
    assert beside["reason"] == "the scan ended with status -6: out of memory"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_whoever_stops_the_container_finds_a_number(words, tmp_path, number):
    process = started(words, worker=SLOW_START)
    place = tmp_path / "out" / "result.txt"
    while not place.exists():
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(number)
    process.wait(timeout=30)
    probability, beside = results(tmp_path)
    assert (probability, beside["is_prior"]) == (0.5, True)
    if number == signal.SIGTERM:
        assert (process.returncode, beside["reason"]) == (0, "stopped from outside")


def test_without_a_model_named_there_is_still_a_number(tmp_path, monkeypatch):
    monkeypatch.setattr(trojai.signal, "signal", lambda *_: None)
    trojai.main(["--result_filepath", str(tmp_path / "out" / "result.txt")])
    assert results(tmp_path)[1]["reason"] == "ValueError: --model_filepath must be given"


@pytest.mark.slow
def test_the_whole_command_as_nist_runs_it(words, tmp_path):
    command = [sys.executable, "-m", "exray.app.trojai.command", *words, *QUICK]
    assert subprocess.run(command, cwd=ROOT, timeout=280, check=False).returncode == 0
    _, beside = results(tmp_path)
    assert beside["is_prior"] is False
