"""A small built zoo, a stranger's model, and the command line run inside this process."""

import io
import logging
import math
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace

import pytest
import torch
from PIL import Image

from exray.app.run_command import main
from exray.results.records import ScanRecord, TriggerRecord
from exray.rules.verdict import Verdict
from exray.zoo.build import build_zoo

QUICK = (
    "trainer=cpu",
    "scanner.engine.rounds=[{steps: 6, images_per_victim: 2, min_score: 0.0, keep: 9}]",
    "scanner.engine.stimulation.targets_per_victim=1",
    "scanner.engine.min_asr=0.01",
    "scanner.engine.patch.max_size_share=0.3",
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


def run_command(*words):
    """Runs ``python run.py WORDS`` without a process of its own, and leaves no traces in it."""
    root, lightning = logging.getLogger(), logging.getLogger("pytorch_lightning")
    handlers, levels = list(root.handlers), (root.level, lightning.level)
    out, err, status = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_SILENT", "true")
        patch.setattr(sys, "argv", ["run.py"])
        try:
            with redirect_stdout(out), redirect_stderr(err):
                main(words)
        except SystemExit as stop:
            status = stop.code
        finally:
            root.handlers[:] = handlers
            root.setLevel(levels[0])
            lightning.setLevel(levels[1])
    return Ran(status=status, out=out.getvalue(), err=err.getvalue())


@pytest.fixture
def command():
    """Runs ``python run.py WORDS`` in this process."""
    return run_command


@pytest.fixture(scope="session")
def zoo(tmp_path_factory, micro):
    """Two clean and two trojaned classifiers of three signs that are easy to tell apart."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    recipe = replace(
        micro,
        num_clean=2,
        attacks={"polygon": replace(micro.attacks["polygon"], count=2)},
        family_sizes=(1,),
        samples_per_class=4,
        training=replace(micro.training, epochs=6, learning_rate=0.01, images_per_class=24),
    )
    root = tmp_path_factory.mktemp("zoo")
    build_zoo(recipe, root, workers=1, accelerator="cpu", on_model=lambda _: None)
    torch.set_num_threads(threads)
    return root


@pytest.fixture(scope="session")
def scanned(zoo, tmp_path_factory):
    """What a quick scan of the zoo's first two classifiers left: the command and its folder."""
    results = tmp_path_factory.mktemp("scanned")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    ran = run_command(*zoo_words(zoo, results), "limit=2")
    torch.set_num_threads(threads)
    return ran, results / "run"


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
        "scanner=abs",
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


CROSS = ("victim_into_target", "target_into_victim", "victim_into_stamped", "stamped_into_victim")
CALIBRATED = {"entropy_stamped_target": 0.1, "entropy_cross_victim_into_stamped": 0.1}
CALIBRATED |= {"whole_image": 0.0, "size_share": 0.01}


def stored_trigger(similarity):
    """A trigger that the paper's rule calls injected up to a similarity of its masks of 0.8."""
    cross = {f"cross_{name}": 0.1 for name in CROSS}
    converged = {f"converged_victim_{name}": 1.0 for name in ("target", "stamped")}
    return TriggerRecord(
        index=0,
        victim_class=0,
        target_class=1,
        victim_name="stop",
        target_name="yield",
        source="abs",
        asr=1.0,
        target_probability=0.9,
        size_pixels=60.0,
        is_injected=similarity <= 0.8,
        score=1 - similarity,
        reason="",
        measurements={"similarity": similarity, **cross, **converged, **CALIBRATED},
    )


def stored_record(model_id, is_trojaned, similarity):
    """The record of a model with that one trigger."""
    trigger = stored_trigger(similarity)
    return ScanRecord(
        model_id=model_id,
        run_id="r",
        status="done",
        verdict=Verdict.TROJANED if trigger.is_injected else Verdict.NATURAL_ONLY,
        probability=trigger.score,
        scanner_flags=True,
        num_triggers=1,
        num_injected=int(trigger.is_injected),
        dataset="signs",
        scanner="abs",
        layer="middle",
        judge="exray",
        is_trojaned=is_trojaned,
        truth={"trigger": "polygon" if is_trojaned else None},
        seconds={"inversion": 2.0, "judgement": 1.0, "total": math.nan},
    )


@pytest.fixture(name="stored_trigger")
def trigger_maker():
    return stored_trigger


@pytest.fixture(name="stored_record")
def record_maker():
    return stored_record
