"""What a newcomer mistypes is refused before anything slow is imported."""

import subprocess
import sys
from pathlib import Path

import pytest
import torchvision.models

from exray.app.newcomer_checks import check_architecture_name, library_names, own_names
from exray.models.architectures.registry import ARCHITECTURES

RUN = Path(__file__).resolve().parents[2] / "run.py"
SLOW_IMPORTS = ("torch", "torchvision", "pytorch_lightning", "timm", "pandas")


def test_names_read_from_sources_are_those_of_the_libraries():
    assert own_names() == set(ARCHITECTURES)
    listed = torchvision.models.list_models(module=torchvision.models)
    assert library_names("torchvision") == set(listed)
    timm = pytest.importorskip("timm", exc_type=ImportError)
    assert set(timm.list_models()) <= library_names("timm")
    assert library_names("a library that is not installed") == set()


def test_an_architecture_that_is_none_is_refused_with_similar_ones():
    check_architecture_name("torchvision/resnet18", "--architecture")
    check_architecture_name("plain_cnn", "--architecture")
    for typed, near in (
        ("resnet19", "resnet18"),
        ("torchvision/resnet_18", "torchvision/resnet18"),
        ("timm/resnett18", "timm/resnet18"),
        ("plain_cn", "plain_cnn"),
    ):
        with pytest.raises(ValueError, match=f"--architecture '{typed}' is not .*mean .*{near}"):
            check_architecture_name(typed, "--architecture")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "/nowhere.pt"}, "must be a file; got '/nowhere.pt'; there is none of that name"),
        ({"model": "FOLDER/empty"}, "holds no config.json"),
        ({"model": "FOLDER/saved"}, "is TensorFlow's SavedModel, a program; save it again"),
        ({"images": "/nowhere"}, "must be a folder; got '/nowhere'; there is none of that name"),
        ({"images": "FOLDER/m.pt"}, "must be a folder of images by class, or a file in .csv"),
        ({"images": "FOLDER/empty"}, "must be a folder of images by class; '"),
        ({"architecture": "resnet19"}, "'resnet19' is not known; did you mean resnet18"),
        ({"flag": "--foo"}, "--foo"),
    ],
)
@pytest.mark.parametrize("command", ["scan", "run"])
def test_a_newcomers_mistake_imports_nothing_slow(tmp_path, command, changes, said):
    (tmp_path / "m.pt").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").touch()
    values = {"model": str(tmp_path / "m.pt"), "images": str(tmp_path)} | changes
    values = {key: value.replace("FOLDER", str(tmp_path)) for key, value in values.items()}
    flag = [values.pop("flag")] if "flag" in values else []
    if command == "scan":
        words = ["scan", values.pop("model"), *flag]
        words += [word for key, value in values.items() for word in (f"--{key}", value)]
    else:
        words = ["run", "dataset=folder", *flag]
        words += [f"dataset.{key}={value}" for key, value in values.items()]
    code = (
        "import sys\nfrom exray.app.cli import main\n"
        f"try: main({words!r})\n"
        f"finally: print([name for name in {SLOW_IMPORTS!r} if name in sys.modules])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert ran.stdout == "[]\n"
    assert said in ran.stderr
    assert ran.stderr.startswith("exray: ")
    assert ran.stderr.count("\n") == 1
