"""Layouts of checkpoints that people really have, and a page of what each is answered.

Run: PYTHONPATH=. python tests/corpus/checkpoint_layouts.py
"""

import argparse
import datetime
import json
import pickle
import sys
import tempfile
import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from checkpoint_makers import (
    IMAGES,
    Harmful,
    Mode,
    Tied,
    Trainer,
    WithHead,
    _cast,
    _evaluated,
    _plus_one,
    attack_result,
    averaged,
    exported,
    half,
    known,
    legacy,
    lightning,
    normalised,
    numpy_state,
    old_layers,
    on_cuda,
    prefixed,
    quantised,
    scripted,
    state,
    timm_training,
    trained,
)
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations, prune

HERE = Path(__file__).parent
BEFORE = HERE / "checkpoint_layouts_before.json"  # of f812e56, by --before with it on PYTHONPATH
PAGE = HERE.parents[1] / "docs" / "checkpoint-layouts.md"


@dataclass(frozen=True)
class Layout:
    """A layout of a checkpoint.

    Args:
        content: What is saved, or a function that writes the file.
        factory: Builds the network that the user names; None where the file holds it.
        weights: The user's choice of weights.
        loads: Whether it must load, with the answers of the network that it was saved from.
        truth: The network that was saved.
        file: Its name.
        source: Who has it.
    """

    content: object
    factory: object = trained
    weights: str | None = None
    loads: bool = True
    truth: object = trained
    file: str = "model.pt"
    source: str = ""


def save(write, **options):
    return Layout(content=write, **options)


def content(make, **options):
    return Layout(content=lambda path: torch.save(make(), path), **options)


RENAMED = {"features.1.weight": "features.1.gamma", "features.1.bias": "features.1.beta"}
WANET = "VinAI's WaNet and input-aware attacks, `*.pth.tar`"
TRAIN = "training scripts"
LAYOUTS = {
    "netC with grids": content(
        lambda: {
            "netC": state(),
            "schedulerC": {"last_epoch": 3},
            "identity_grid": torch.ones(1, 8, 8, 2),
            "noise_grid": torch.ones(1, 8, 8, 2),
            "best_clean_acc": torch.tensor(0.9),
        },
        source=WANET,
        file="all2one_wanet.pth.tar",
    ),
    "netC, netG and netM": content(
        lambda: {
            "netC": state(),
            "netG": {"net.weight": torch.ones(5)},
            "netM": {"net.weight": torch.ones(5)},
        },
        source=WANET,
    ),
    "net_state_dict": content(
        lambda: {"net_state_dict": state()}, source="FeatureRE, FreeEagle, BARBIE"
    ),
    "model_state_dict": content(
        lambda: {"model_state_dict": state(), "loss": 0.3}, source="PyTorch's tutorial"
    ),
    "timm's training checkpoint": content(timm_training, source="timm train.py"),
    "timm's training checkpoint, the average": content(
        timm_training,
        weights="ema",
        source="timm train.py --model-ema",
        truth=lambda: _plus_one(trained()),
    ),
    "model_ema alone": content(lambda: {"model_ema": state()}, source="timm"),
    "weights": content(lambda: {"weights": state()}, source=TRAIN),
    "a key of its own, deep": content(
        lambda: {"run": {"checkpoint": {"model": {"module": state()}}}}, source=TRAIN
    ),
    "best_acc as a numpy scalar": content(
        lambda: {"best_acc": np.float64(0.9), "state_dict": state()},
        source="nerfstudio #3702; many",
    ),
    "arrays of numpy": content(numpy_state, source="converted weights"),
    "arrays of numpy, pickled without torch": save(
        lambda path: path.write_bytes(pickle.dumps(numpy_state())),
        file="model.pkl",
        source="converted weights",
    ),
    "attack_result.pt": content(attack_result, source="BackdoorBench", file="attack_result.pt"),
    "Lightning, model.*": content(
        lambda: lightning("model."), file="last.ckpt", source="Lightning #2798"
    ),
    "Lightning, net.*": content(
        lambda: lightning("net."),
        file="epoch=3-step=10.ckpt",
        source="lightning-hydra-template #447",
    ),
    "all names under backbone.": content(
        lambda: prefixed("backbone."), source="timm, self-supervision"
    ),
    "module._orig_mod.": content(lambda: prefixed("module._orig_mod."), source="pytorch #101107"),
    "_orig_mod.module.": content(lambda: prefixed("_orig_mod.module."), source="nanoGPT #325"),
    "module.": content(
        lambda: {"net": prefixed("module."), "acc": 93.1, "epoch": 9}, source="pytorch-cifar"
    ),
    "student and teacher": content(
        lambda: prefixed("student.", "teacher."), weights="teacher", source="DINO and its kin"
    ),
    "student and teacher, no choice": content(
        lambda: prefixed("student.", "teacher."), loads=False, source="DINO and its kin"
    ),
    "a tuple with the accuracy": content(lambda: (state(), 0.9), source="pytorch-cifar #20"),
    "a list of one": content(lambda: [state()], source="pytorch-cifar #20"),
    "a step beside the weights": content(lambda: {**state(), "step": 7}, source=TRAIN),
    "namespaces, dates, enumerations": content(
        lambda: {
            "state_dict": state(),
            "config": argparse.Namespace(mode=Mode.TRAIN),
            "when": datetime.datetime(2020, 1, 2),
            "seen": defaultdict(list, {"a": [1]}),
        },
        source=TRAIN,
    ),
    "an object that holds the weights": content(
        lambda: {"trainer": Trainer(trained())}, source=TRAIN
    ),
    "pruned": content(
        lambda: normalised(lambda layer: prune.l1_unstructured(layer, "weight", 0.5)).state_dict(),
        truth=lambda: normalised(lambda layer: prune.l1_unstructured(layer, "weight", 0.5)),
        source="msd_pytorch #3, nni #3527",
    ),
    "weight norm": content(
        lambda: normalised(nn.utils.weight_norm).state_dict(), source="torch before 2.0"
    ),
    "weight norm, parametrised": content(
        lambda: normalised(parametrizations.weight_norm).state_dict(), source="torch"
    ),
    "spectral norm": content(
        lambda: normalised(nn.utils.spectral_norm).state_dict(),
        source="torch before 1.9",
        truth=lambda: _evaluated(normalised(nn.utils.spectral_norm)),
    ),
    "spectral norm, parametrised": content(
        lambda: normalised(parametrizations.spectral_norm).state_dict(),
        source="torch",
        truth=lambda: _evaluated(normalised(parametrizations.spectral_norm)),
    ),
    "no num_batches_tracked": content(
        lambda: {k: v for k, v in state().items() if "num_batches" not in k}, source="pytorch #8430"
    ),
    "num_batches_tracked left over": content(
        lambda: state() | {"fc.num_batches_tracked": torch.tensor(1)}, source="pytorch #8481"
    ),
    "gamma and beta": content(
        lambda: {RENAMED.get(k, k): v for k, v in state().items()}, source="converted weights"
    ),
    "an auxiliary head that the network has not": content(
        lambda: trained(WithHead).state_dict(),
        truth=lambda: trained(WithHead),
        source="GoogLeNet, Inception",
    ),
    "no auxiliary head though the network has one": content(
        state, factory=lambda: trained(WithHead), source="GoogLeNet, Inception"
    ),
    "int8, dynamically quantised": content(
        quantised, loads=False, source="pytorch #32691, distiller #546"
    ),
    "float16": content(
        lambda: half(torch.float16), truth=lambda: _cast(torch.float16), source="pytorch #121958"
    ),
    "bfloat16": content(
        lambda: half(torch.bfloat16),
        truth=lambda: _cast(torch.bfloat16),
        source="AIGCDetectBenchmark #9",
    ),
    "float64": content(lambda: half(torch.float64), source="theneuralbase"),
    "saved on cuda:3": save(lambda path: on_cuda(path, state()), source="runebook"),
    "a whole network of its own class": content(trained, source="pytorch #7812, #18325"),
    "a whole network of its own class, unnamed": content(
        trained, factory=None, loads=False, source="pytorch #18325"
    ),
    "a whole network of torch's layers": content(
        known, factory=None, truth=known, source="NIST's TrojAI `model.pt`"
    ),
    "the same before torch 1.6": save(
        legacy(known), factory=None, truth=known, source="NIST's TrojAI `model.pt`"
    ),
    "whole nn.DataParallel": content(
        lambda: nn.DataParallel(known()), factory=None, truth=known, source="network-slimming #5"
    ),
    "whole nn.DataParallel of its own class": content(
        lambda: nn.DataParallel(trained()), source="network-slimming #5"
    ),
    "a whole network under net": content(
        lambda: {"net": known(), "acc": 0.9, "epoch": 3},
        factory=None,
        truth=known,
        source="pytorch-cifar",
    ),
    "a network of its own class under model": content(
        lambda: {"model": trained(), "args": argparse.Namespace(a=1)}, source=TRAIN
    ),
    "layers of older versions of torch": content(
        old_layers, factory=None, truth=known, source="vision #2923, pytorch #49260"
    ),
    "an averaged model's state dict": content(averaged, source="torch.optim.swa_utils"),
    "a state dict before torch 1.6": save(legacy(timm_training), source="timm of 2019"),
    "TorchScript": save(scripted, source="rl_sar #71"),
    "an exported program": save(exported, file="model.pt2", source="torch.export"),
    "safetensors": save(
        lambda path: save_file(state(), path), file="m.safetensors", source="the hub"
    ),
    "safetensors called pytorch_model.bin": save(
        lambda path: save_file(state(), path), file="pytorch_model.bin", source="safetensors #265"
    ),
    "safetensors under a prefix": save(
        lambda path: save_file(prefixed("model.") | {"criterion.weight": torch.ones(2)}, path),
        file="m.safetensors",
        source="the hub",
    ),
    "safetensors without the second name of a tied weight": save(
        lambda path: save_file(
            {k: v for k, v in trained(Tied).state_dict().items() if k != "second.weight"}, path
        ),
        factory=lambda: trained(Tied),
        truth=lambda: trained(Tied),
        file="m.safetensors",
        source="transformers #38870",
    ),
    "no extension and a name that is not ASCII": content(state, file="modèle", source="many"),
    "code beside the weights": content(
        lambda: {"state_dict": state(), "hook": Harmful()}, loads=False, source="an attacker"
    ),
    "a list of tensors without names": content(
        lambda: list(state().values()), loads=False, source=TRAIN
    ),
}


def answer(layout, folder):
    """What exray answers: ``loads``, or its message without path; with what the user typed."""
    from exray.models.loading import load_classifier

    path = folder / layout.file
    layout.content(path)
    chosen = {} if layout.weights is None else {"weights": layout.weights}
    try:
        classifier = load_classifier(path, factory=layout.factory, example=IMAGES, **chosen)
    except (ValueError, TypeError) as error:
        return str(error).removeprefix(f"{path} ")
    finally:
        path.unlink()
    with torch.no_grad():
        expected = layout.truth()(IMAGES)
    same = torch.allclose(classifier.predict(IMAGES), expected, atol=1e-5)
    return "loads" if same else "loads OTHER WEIGHTS"


def answers(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: answer(layout, folder) for name, layout in LAYOUTS.items()}


def typed(layout):
    """What the user types besides the file."""
    return " ".join(
        [*(["--factory FILE.py:net"] if layout.factory else []),
         *([f"--weights {layout.weights}"] if layout.weights else [])]
    ) or "nothing"  # fmt: skip


def shown(text):
    if "unexpected keyword" in text:
        return "refused: no such flag"
    own = text.replace("checkpoint_makers.", "__main__.")  # a script's classes are pickled so
    clause = own.partition("; ")[0].replace("|", "/").replace("`", "'")
    return clause if clause.startswith("loads") else f"refused: `{clause[:200]}`"


def page(now, before):
    counts = [sum(text == "loads" for text in each.values()) for each in (before, now)]
    refused = sum(not layout.loads for layout in LAYOUTS.values())
    lines = [
        "# Layouts of checkpoints",
        "",
        f"{len(now)} layouts of checkpoints that people have, each made by a test from a network "
        f"of 4 classes, and what exray answers. {counts[1]} load with the answers of the network "
        f"that was saved, where {counts[0]} did before; {refused} are refused, with the reason.",
        "`PYTHONPATH=. python tests/corpus/checkpoint_layouts.py` makes this page; *before* is "
        "commit f812e56.",
        "",
        "| layout | who has it | typed besides the file | before | now |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {layout.source} | {typed(layout)} | {shown(before[name])} | "
        f"{shown(now[name])} |"
        for name, layout in LAYOUTS.items()
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        found = answers(Path(place))
    if "--before" in sys.argv:
        BEFORE.write_text(json.dumps(found, indent=1) + "\n")
    else:
        text = page(found, json.loads(BEFORE.read_text()))
        PAGE.write_text(text)
        print(text, end="")
