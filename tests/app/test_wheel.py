"""The wheel carries conf/ and the embedded zoo, and scans a model far from the checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from exray.datasets.zoo import embedded_root, open_zoo

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("exray", "conf", "pyproject.toml", "setup.py", "README.md", "LICENSE")
MODEL = "id-00000000"


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


def test_the_installed_command_scans_an_embedded_model(exray, tmp_path):
    assert "scan" in exray("--help").stdout
    assert "scanner: abs" not in exray("run", "--cfg", "job", "scanner=k_arm").stdout
    samples = open_zoo(embedded_root("signs_mini")).load(MODEL).samples
    for index, (image, label) in enumerate(zip(samples.images, samples.labels, strict=True)):
        place = tmp_path / "clean images" / str(int(label))
        place.mkdir(parents=True, exist_ok=True)
        pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(place / f"{index}.png")
    model = tmp_path / "a, b=[c].safetensors"
    shutil.copy(embedded_root("signs_mini") / MODEL / "model.safetensors", model)
    words = ("--architecture", "signs_resnet", "--images-per-class", "4", "--fast")
    ran = exray("scan", model, "--images", tmp_path / "clean images", *words, "--judge", "none")
    model_id, verdict, *_ = ran.stdout.splitlines()[-1].split("\t")
    assert (model_id, ran.returncode) == ("a, b=[c]", {"clean": 0, "trojaned": 1}[verdict]), ran
    assert f"Report: results/{model_id}/report.html" in ran.stderr
    assert (tmp_path / "results" / model_id / "report.html").is_file()
