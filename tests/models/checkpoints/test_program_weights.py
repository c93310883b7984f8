"""Weights out of programs that torch saved, without running them."""

import json
import zipfile

import pytest
import torch
from torch import nn

from exray.errors import CheckpointError
from exray.models.checkpoints.reader import network_problem, read_checkpoint

pytestmark = pytest.mark.filterwarnings("ignore")


def network():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Sequential(nn.ReLU(), nn.Flatten()),
        nn.Linear(16, 5),
    ).eval()  # fmt: skip


def scripted(path, net):
    torch.jit.save(torch.jit.script(net), path)


def traced(path, net):
    torch.jit.save(torch.jit.trace(net, torch.rand(1, 3, 4, 4)), path)


def exported(path, net):
    torch.export.save(torch.export.export(net, (torch.rand(1, 3, 4, 4),)), path)


def rewritten(source, target, change):
    """The same archive with other contents of its entries."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            new.writestr(entry.filename, change(entry.filename, old.read(entry)))


@pytest.mark.parametrize(
    ("save", "kind"),
    [(scripted, "a TorchScript archive"), (traced, "a TorchScript archive"),
     (exported, "an exported program")],
)  # fmt: skip
def test_the_weights_are_those_of_the_network(tmp_path, save, kind):
    net, path = network(), tmp_path / "m.pt"
    net[1].running_mean.normal_()
    save(path, net)
    checkpoint = read_checkpoint(path)
    assert set(checkpoint.state) == set(net.state_dict())
    assert all(torch.equal(checkpoint.state[key], value) for key, value in net.state_dict().items())
    said = f"m.pt is {kind}; its weights were taken and its program was not run"
    assert (checkpoint.network, checkpoint.remarks) == (None, (said,))
    assert network_problem(path) == "holds weights without a network"


def test_a_program_that_runs_on_loading_is_not_run(tmp_path):
    class Writes(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2))
            self.place = str(tmp_path / "canary")

        def forward(self, x):
            return x * self.weight

        @torch.jit.export
        def __getstate__(self):
            return self.weight, self.training, self.place

        @torch.jit.export
        def __setstate__(self, state: tuple[torch.Tensor, bool, str]):
            self.weight = state[0]
            self.training = state[1]
            self.place = state[2]
            torch.save(state[0], state[2])

    torch.jit.save(torch.jit.script(Writes()), tmp_path / "m.pt")
    with pytest.raises(
        CheckpointError, match=r"cannot be taken: it rebuilds __torch__\S+Writes by"
    ):
        read_checkpoint(tmp_path / "m.pt")
    assert not (tmp_path / "canary").exists()
    torch.jit.load(tmp_path / "m.pt")
    assert (tmp_path / "canary").exists()  # what torch's own loader does with the same file


def described(change):
    def changed(name, data):
        if not name.endswith("model_weights_config.json"):
            return data
        description = json.loads(data)
        change(description["config"]["0.weight"])
        return json.dumps(description)

    return changed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w.update(use_pickle=True), "a weight is a pickle"),
        (lambda w: w.update(path_name="../../../byteorder"), "which is not in the file"),
        (lambda w: w["tensor_meta"].update(sizes=[{"as_int": 2**40}] * 4), "claims tensors of"),
        (lambda w: w["tensor_meta"].update(sizes=[{"as_int": -2}] * 4), "-2 is no count"),
        (lambda w: w["tensor_meta"].update(sizes=[{"as_expr": "exit()"}] * 4), "as_int"),
        (lambda w: w["tensor_meta"].update(storage_offset={"as_int": 99}), "does not hold"),
        (lambda w: w["tensor_meta"].update(dtype=99), "KeyError.99"),
        (lambda w: w.clear(), "tensor_meta"),
    ],
)
def test_an_exported_program_that_lies_is_refused(tmp_path, change, said):
    exported(tmp_path / "whole.pt", network())
    rewritten(tmp_path / "whole.pt", tmp_path / "m.pt", described(change))
    with pytest.raises(CheckpointError, match=rf"whose weights cannot be taken: it .*{said}"):
        read_checkpoint(tmp_path / "m.pt")


def test_a_torchscript_archive_without_its_numbers_is_refused(tmp_path):
    scripted(tmp_path / "whole.pt", network())
    rewritten(
        tmp_path / "whole.pt",
        tmp_path / "m.pt",
        lambda name, data: data[:4] if name.endswith("data/0") else data,
    )
    with pytest.raises(CheckpointError, match="asks for storage 0, which is not in the file"):
        read_checkpoint(tmp_path / "m.pt")


def test_a_hostile_pickle_in_a_torchscript_archive_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        archive.writestr("m/data.pkl", b"cos\nsystem\n(S'true'\ntR.")
        archive.writestr("m/constants.pkl", b"\x80\x02).")
        archive.writestr("m/code/net.py", b"x")
        archive.writestr("m/version", b"3\n")
    with pytest.raises(CheckpointError, match=r"cannot be taken: it names os\.system; save it"):
        read_checkpoint(tmp_path / "m.pt")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "m.h5",
            b"\x89HDF\r\n\x1a\n" + b"\0" * 90,
            "is truncated, damaged or no HDF5 file",
        ),
        ("m.onnx", b"\x08\x07\x12\x07pytorch", "is no ONNX graph: it has no operation"),
    ],
)
def test_other_formats_are_a_clear_no(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=said):
        read_checkpoint(tmp_path / name)
