"""Folders of a model hub made to harm: each is written into a folder, beside which secrets lie."""

import json
import os

import hub_folders
import torch
from hostile_pickles import RUNS
from safetensors.torch import save_file

STATE = {"a": torch.ones(2), "b": torch.zeros(3)}
VIT = {
    "model_type": "vit", "architectures": ["ViTForImageClassification"], "hidden_size": 32,
    "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "image_size": 32,
    "patch_size": 8,
}  # fmt: skip


def described(folder, state=STATE, **changes):
    """A folder with a description and weights."""
    (folder / "config.json").write_text(json.dumps(VIT | changes))
    save_file(state, folder / "model.safetensors")


def indexed(folder, places):
    described(folder)
    (folder / "model.safetensors").rename(folder / "one.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def own_code(folder, canary):
    described(folder, auto_map={"AutoModelForImageClassification": "modeling_own.Own"})
    (folder / "modeling_own.py").write_text(f"open({str(canary)!r}, 'w')")


def pipeline_code(folder, canary):
    described(folder, custom_pipelines={"image-classification": {"impl": "own.Own"}})
    (folder / "own.py").write_text(f"open({str(canary)!r}, 'w')")


def linked_weights(folder, canary):
    described(folder)
    secret = canary.with_name("secret.safetensors")
    (folder / "model.safetensors").rename(secret)
    (folder / "model.safetensors").symlink_to(secret)


def linked_config(folder, _):
    described(folder)
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to("/etc/passwd")


def pipe(folder, _):
    described(folder)
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")


def giant(folder, _):
    described(folder)
    with (folder / "config.json").open("r+") as file:
        file.truncate(2**34)  # a hole, which takes no room


def deep(folder, _):
    described(folder)
    (folder / "config.json").write_text('{"a":' * 100_000)


def pickle(folder, canary):
    described(folder)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(RUNS["os.system"](canary))


def of_timm(folder, canary):
    """timm would load a file and fetch a repository."""
    hub_folders.timm_folder(folder, "convnext_atto")
    config = json.loads((folder / "config.json").read_text())
    config["architecture"] = "hf-hub:somebody/model"
    config["model_args"]["checkpoint_path"] = str(canary.with_name("secret.pth"))
    (folder / "config.json").write_text(json.dumps(config))


HUB = {
    "hub: auto_map": own_code,
    "hub: custom_pipelines": pipeline_code,
    "hub: a shard in ../": lambda folder, _: indexed(folder, {"a": "../secret.safetensors"}),
    "hub: a shard in /etc": lambda folder, _: indexed(folder, {"a": "/etc/passwd"}),
    "hub: an index that lies": lambda folder, _: indexed(folder, {"a": "one.safetensors"}),
    "hub: 2,000 shards": lambda folder, _: indexed(
        folder, {str(i): f"{i}.safetensors" for i in range(2000)}
    ),
    "hub: weights behind a link": linked_weights,
    "hub: a description behind a link": linked_config,
    "hub: a pipe": pipe,
    "hub: 16 GiB of JSON": giant,
    "hub: JSON without end": deep,
    "hub: a pickle that runs": pickle,
    "hub: a network of 2**40 columns": lambda folder, _: described(folder, hidden_size=2**40),
    "hub: a network of a million layers": lambda folder, _: described(
        folder, num_hidden_layers=2**20
    ),
    "hub: a network larger than its weights": lambda folder, _: described(
        folder, hidden_size=2**15, intermediate_size=2**17
    ),
    "hub: weights that are quantised": lambda folder, _: described(
        folder, quantization_config={"load_in_8bit": True}
    ),
    "hub: timm's name of a repository": of_timm,
}
"""What writes each folder, given a path that none of them may make."""
