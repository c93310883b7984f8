"""The wheel carries conf/ and the embedded zoo, and scans a model far from the checkout."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

from exray.datasets.zoo import embedded_root, open_zoo

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("exray", "conf", "pyproject.toml", "setup.py", "README.md", "LICENSE")
MODEL = "id-00000000"
EXAMPLES = ROOT / "docs" / "ci"


def pip(*words):
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-index")
    subprocess.run([sys.executable, "-m", "pip", *words, *options], check=True, timeout=280)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder of installed packages that holds the wheel alone."""
    sources, wheels = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheels")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, sources / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, sources / name)
    pip("wheel", str(sources), "--no-build-isolation", "--wheel-dir", str(wheels))
    (wheel,) = wheels.glob("exray-*.whl")
    target = tmp_path_factory.mktemp("site")
    pip("install", str(wheel), "--target", str(target))
    return target


@pytest.fixture
def exray(site, tmp_path):
    """Runs the installed script from another folder."""

    def run(*words):
        environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, str(site / "bin" / "exray"), *map(str, words)]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280
        )

    return run


def test_the_installed_package_is_the_wheels(site, tmp_path):
    code = (
        "import exray; from exray.presets import conf_folder; print(exray.__file__, conf_folder())"
    )
    environment = {**os.environ, "PYTHONPATH": str(site)}
    words = [sys.executable, "-c", code]
    ran = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.stdout.split() == [str(site / "exray/__init__.py"), str(site / "exray/conf")]
    carried = {path.relative_to(site / "exray" / "conf") for path in site.rglob("conf/**/*.yaml")}
    assert carried == {path.relative_to(ROOT / "conf") for path in ROOT.glob("conf/**/*.yaml")}


def repository(root):
    """A folder with an embedded model and clean images of it, as in the examples of docs/ci."""
    samples = open_zoo(embedded_root("signs_mini")).load(MODEL).samples
    for index, (image, label) in enumerate(zip(samples.images, samples.labels, strict=True)):
        place = root / "clean_images" / str(int(label))
        place.mkdir(parents=True, exist_ok=True)
        pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(place / f"{index}.png")
    (root / "models").mkdir()
    shutil.copy(embedded_root("signs_mini") / MODEL / "model.safetensors", root / "models")


def test_the_installed_command_scans_an_embedded_model(exray, tmp_path):
    assert "scan" in exray("--help").stdout
    assert "scanner: abs" not in exray("run", "--cfg", "job", "scanner=k_arm").stdout
    repository(tmp_path)
    model = tmp_path / "a, b=[c].safetensors"
    (tmp_path / "models" / "model.safetensors").rename(model)
    words = ("--architecture", "signs_resnet", "--images-per-class", "4", "--fast")
    ran = exray("scan", model, "--images", tmp_path / "clean_images", *words, "--judge", "none")
    model_id, verdict, *_ = ran.stdout.splitlines()[-1].split("\t")
    assert (model_id, ran.returncode) == ("a, b=[c]", {"clean": 0, "trojaned": 1}[verdict]), ran
    assert f"Report: results/{model_id}/report.html" in ran.stderr
    assert (tmp_path / "results" / model_id / "report.html").is_file()


def environment_of(site, **values):
    """Of a shell in which the wheel's command is found first."""
    path = f"{site / 'bin'}{os.pathsep}{os.environ['PATH']}"
    own = {"PATH": path, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    return {**os.environ, **own, **{name: str(value) for name, value in values.items()}}


def test_the_action_scans_a_repositorys_models(site, tmp_path):
    repository(tmp_path)
    action = yaml.safe_load((EXAMPLES / "action.yml").read_text())
    (scan,) = [step for step in action["runs"]["steps"] if step.get("id") == "scan"]
    inputs = {"models": "models", "images": "clean_images"}
    inputs["flags"] = "--architecture signs_resnet --images-per-class 4 --fast --judge none"
    named = {
        name: re.fullmatch(r"\$\{\{ inputs\.(\w+) \}\}", text)[1]
        for name, text in scan["env"].items()
    }
    values = {name: inputs[source] for name, source in named.items()}
    values |= {"GITHUB_OUTPUT": tmp_path / "output", "GITHUB_STEP_SUMMARY": tmp_path / "summary"}
    ran = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", scan["run"]],
        cwd=tmp_path,
        env=environment_of(site, **values),
        capture_output=True,
        text=True,
        timeout=280,
    )
    log = json.loads((tmp_path / "exray.sarif").read_text())
    assert log["runs"][0]["artifacts"][0]["location"]["uri"] == "models/model.safetensors"
    assert log["runs"][0]["invocations"][0]["exitCode"] == ran.returncode
    assert ran.returncode in (0, 1), ran
    assert (tmp_path / "output").read_text() == f"status={ran.returncode}\n"
    assert "## model: " in (tmp_path / "summary").read_text()


def test_the_workflow_uses_what_the_action_takes():
    action = yaml.safe_load((EXAMPLES / "action.yml").read_text())
    workflow = yaml.safe_load((EXAMPLES / "workflow.yml").read_text())
    steps = workflow["jobs"]["exray"]["steps"]
    (used,) = [step for step in steps if step["uses"] == "./.github/actions/exray"]
    required = {name for name, one in action["inputs"].items() if one.get("required")}
    assert required <= set(used["with"]) <= set(action["inputs"])


@pytest.mark.slow
def test_the_hook_scans_what_is_committed(site, tmp_path):
    repository(tmp_path)
    environment = environment_of(site, PRE_COMMIT_HOME=tmp_path / "cache")
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run([*git, "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run([*git, "add", "models", "clean_images"], cwd=tmp_path, check=True)
    words = [sys.executable, "-m", "pre_commit", "run", "--all-files"]
    ran = subprocess.run(
        [*words, "--config", str(EXAMPLES / "pre-commit-config.yaml")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    record = json.loads((tmp_path / "results" / "model" / "model" / "record.json").read_text())
    assert (ran.returncode == 0) == (record["verdict"] in ("clean", "natural-only")), ran
    assert f"model\t{record['verdict']}\t" in ran.stdout
