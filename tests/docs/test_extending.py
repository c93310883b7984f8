"""The files of the page on extending exray work as they stand there: nothing else is edited."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "extending.md"
TINY = (
    *("dataset.recipe.num_classes=3", "dataset.recipe.family_sizes=[1]"),
    *("dataset.recipe.architecture=one_convolution", "dataset.recipe.image_size=16"),
    *("dataset.recipe.min_clean_accuracy=0", "dataset.recipe.min_class_accuracy=0"),
    *("dataset.recipe.min_asr=0", "dataset.recipe.samples_per_class=4"),
    *("dataset.recipe.training.epochs=1", "dataset.recipe.training.images_per_class=8"),
    *("dataset.recipe.training.batch_size=8", "dataset.recipe.training.test_per_class=4"),
    *("trainer=cpu", "trainer.workers=1"),
)
LOOSE = ("scan.min_clean_accuracy=0", "scan.min_class_accuracy=0", "scan.misclassified=keep")


def files_of(page):
    """The blocks that begin with a comment that names a file, by that name."""
    blocks = re.findall(
        r"^```\w+\n# (\S+\.(?:py|yaml))\n(.*?)^```$", page, re.MULTILINE | re.DOTALL
    )
    return dict(blocks)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of exray with the page's files in it."""
    root = tmp_path_factory.mktemp("copy")
    leave = shutil.ignore_patterns("__pycache__")
    for name in ("exray", "conf"):
        shutil.copytree(ROOT / name, root / name, ignore=leave)
    (root / "tests").mkdir()
    for name in ("run.py", "pyproject.toml", "tests/conftest.py"):
        shutil.copy(ROOT / name, root / name)
    shutil.copytree(ROOT / "tests" / "corpus", root / "tests" / "corpus", ignore=leave)
    for name, text in files_of(PAGE.read_text()).items():
        assert not (root / name).exists(), name
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def run(root, *words):
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *words], cwd=root, env=environment, capture_output=True, text=True
    )


def test_the_page_has_one_of_each():
    folders = {str(Path(name).parent) for name in files_of(PAGE.read_text())}
    for package in ("scanners", "judges", "attacks", "triggers", "datasets"):
        assert {f"exray/{package}", f"tests/{package}"} <= folders
    assert {"exray/models/architectures", "tests/models/architectures"} <= folders
    assert "exray/scanners/portfolio/kinds" in folders
    assert {"conf/scanner", "conf/search", "conf/judge", "conf/attack", "conf/dataset"} <= folders


def test_their_tests_pass(copy):
    tests = [name for name in files_of(PAGE.read_text()) if name.startswith("tests/")]
    answer = run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", *tests)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert f"{len(tests)} passed" in answer.stdout


def test_a_zoo_is_built_by_the_attack_and_scanned(copy):
    build = run(copy, "run.py", "task=build_zoo", "dataset=signs_stripes", *TINY)
    assert build.returncode == 0, build.stderr
    scan = run(
        copy, "run.py", "dataset=signs_stripes", "scanner=stripes", "judge=largest",
        "scanner.engine.min_asr=0.1", *TINY, *LOOSE,
    )  # fmt: skip
    assert scan.returncode == 0, scan.stderr
    assert len(scan.stdout.splitlines()) == 2
    page = (copy / "results" / "signs_stripes" / "report.html").read_text()
    assert "covers" in page


def test_a_dataset_is_scanned_that_was_added(copy):
    scan = run(copy, "run.py", "dataset=untrained", "scanner=stripes", "judge=largest")
    assert scan.returncode == 0, scan.stderr
    assert [line.split("\t")[0] for line in scan.stdout.splitlines()] == ["seed-0", "seed-1"]
