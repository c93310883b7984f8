"""A small built zoo, a stranger's model, and the command line run inside this process."""

import logging
import sys
from dataclasses import dataclass

import pytest
import torch
from PIL import Image

from exray.app.cli import main
from exray.zoo.build import build_zoo
from exray.zoo.recipe import PolygonRecipe, TrainingRecipe, ZooRecipe

QUICK = (
    "trainer=cpu",
    "scanner.engine.rounds=[{_target_: exray.scanners.abs_scanner.InversionRound, steps: 6, "
    "images_per_victim: 2, min_score: 0.0, keep: 9}]",
    "scanner.engine.stimulation.targets_per_victim=1",
    "scanner.engine.min_asr=0.01",
    "scanner.engine.inversion.max_size_share=0.3",
    "scanner.engine.inversion.learning_rate=0.5",
    "judge.engine.mask.epochs=3",
)

FACTORY = """
from collections import OrderedDict
from torch import nn

def colours():
    return nn.Sequential(OrderedDict(
        colours=nn.Conv2d(3, 4, 1), relu=nn.ReLU(), pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(), linear=nn.Linear(4, 3),
    ))
"""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command left."""

    status: int
    out: str
    err: str

    def mistake(self):
        """The one line on stderr of a command that was refused."""
        assert self.status == 2, self
        assert not self.out
        assert self.err.count("\n") == 1, self.err
        assert self.err.startswith("exray: ")
        for noise in ("Traceback", "HYDRA", "append", "hydra.cc", "file://", ".;"):
            assert noise not in self.err
        return self.err.removeprefix("exray: ").rstrip("\n")


@pytest.fixture
def command(capsys, monkeypatch):
    """Runs ``python run.py WORDS`` without a process of its own."""
    monkeypatch.setenv("WANDB_SILENT", "true")
    root, lightning = logging.getLogger(), logging.getLogger("pytorch_lightning")
    handlers, levels = list(root.handlers), (root.level, lightning.level)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["run.py"])
        status = 0
        try:
            main(words)
        except SystemExit as stop:
            status = stop.code
        captured = capsys.readouterr()
        return Ran(status=status, out=captured.out, err=captured.err)

    yield run
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    lightning.setLevel(levels[1])


@pytest.fixture(scope="session")
def zoo(tmp_path_factory):
    """Two clean and two trojaned classifiers of three signs that are easy to tell apart."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    recipe = ZooRecipe(
        name="small",
        num_clean=2,
        num_polygon=2,
        seed=7,
        architecture="plain_cnn",
        num_classes=3,
        family_sizes=(1,),
        image_size=32,
        samples_per_class=4,
        min_clean_accuracy=0.0,
        min_class_accuracy=0.0,
        min_asr=0.0,
        max_attempts=1,
        training=TrainingRecipe(
            epochs=6,
            batch_size=16,
            learning_rate=0.01,
            weight_decay=0.0,
            images_per_class=48,
            test_per_class=8,
        ),
        polygon=PolygonRecipe(
            num_victims=1, sides=(3, 5), width=(0.25, 0.35), poisoned_share=0.5, kept_share=0.25
        ),
    )
    root = tmp_path_factory.mktemp("zoo")
    build_zoo(recipe, root, workers=1, accelerator="cpu", on_model=lambda _: None)
    torch.set_num_threads(threads)
    return root


@pytest.fixture
def quick(zoo, tmp_path):
    """Words of a quick scan of the zoo."""
    return zoo_words(zoo, tmp_path / "results")


def zoo_words(zoo, results):
    return (
        *QUICK,
        f"dataset.root={zoo}",
        "dataset.recipe.samples_per_class=4",
        f"paths.results={results}",
        "name=run",
    )


@pytest.fixture
def stranger(tmp_path, trojaned, colour_samples):
    """Words of a quick scan of a model file with a folder of images."""
    torch.save(trojaned.network.state_dict(), tmp_path / "model.pt")
    (tmp_path / "factory.py").write_text(FACTORY)
    save_images(colour_samples, tmp_path / "images")
    return (
        *QUICK,
        "dataset=folder",
        f"dataset.model={tmp_path / 'model.pt'}",
        f"dataset.images={tmp_path / 'images'}",
        f"dataset.factory={tmp_path / 'factory.py'}:colours",
        "scanner.engine.stimulation.layer=relu",
        "layer.name=relu",
        f"paths.results={tmp_path / 'results'}",
    )


def save_images(samples, folder):
    for index, (image, label) in enumerate(zip(samples.images, samples.labels, strict=True)):
        place = folder / str(int(label))
        place.mkdir(parents=True, exist_ok=True)
        pixels = (image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(place / f"{index}.png")
