"""Networks built by a function in the user's own Python file."""

import sys

import pytest
from torch import nn

from exray.models.architectures.factory import network_from_factory

SOURCE = """
import dataclasses, pathlib, sys
from torch import nn

@dataclasses.dataclass
class Size:
    inputs: "int" = 2

class Tiny(nn.Module):
    def __init__(self, outputs=3):
        super().__init__()
        self.linear = nn.Linear(Size().inputs, outputs)

def tiny():
    return Tiny()

def from_file_beside():
    return nn.Linear(int((pathlib.Path(__file__).parent / "width.txt").read_text()), 1)

def needs(width, *rest, depth, height=3, **more):
    return nn.Linear(width, depth)

def fails():
    raise KeyError("layer9")

def leaves():
    sys.exit("bye")

def gives_weights():
    return {"weight": 1}

size = 3
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my networks.py"
    path.write_text(SOURCE)
    return path


@pytest.mark.parametrize("name", ["tiny", "Tiny"])
def test_a_function_or_a_class_builds_the_network(file, name):
    network = network_from_factory(f"{file}:{name}")
    assert isinstance(network, nn.Module)
    assert network.linear.out_features == 3


def test_files_beside_the_factory_are_found(file):
    (file.parent / "width.txt").write_text("7")
    assert network_from_factory(f"{file}:from_file_beside").in_features == 7


def test_nothing_is_written_and_the_path_stays(file):
    before = list(sys.path)
    network_from_factory(f"{file}:tiny")
    assert sys.path == before
    assert [p.name for p in file.parent.iterdir()] == [file.name]


def test_files_of_one_name_do_not_mix(tmp_path):
    for width in (4, 5):
        folder = tmp_path / str(width)
        folder.mkdir()
        (folder / "torch.py").write_text(  # a name that is taken
            f"from torch import nn\ndef build(): return nn.Linear({width}, 1)"
        )
    widths = [network_from_factory(f"{tmp_path}/{w}/torch.py:build").in_features for w in (4, 5)]
    assert widths == [4, 5]
    assert hasattr(sys.modules["torch"], "Tensor")


def test_a_changed_file_is_read_again(file):
    network_from_factory(f"{file}:tiny")
    file.write_text(SOURCE.replace("outputs=3", "outputs=9"))
    assert network_from_factory(f"{file}:tiny").linear.out_features == 9


@pytest.mark.parametrize("spec", ["networks.py", "networks.py:", ":tiny", "networks.py:a b", ""])
def test_a_spec_of_another_form_is_refused(spec):
    with pytest.raises(ValueError, match=r"factory must be FILE.py:function; got '"):
        network_from_factory(spec)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"factory .* file that exists; got .*none.py"):
        network_from_factory(f"{tmp_path}/none.py:tiny")


def test_a_missing_function_is_refused_with_those_there_are(file):
    with pytest.raises(ValueError, match=r"'big', which is not in .*it has: tiny, from_file_bes"):
        network_from_factory(f"{file}:big")


def test_a_value_is_no_function(file):
    with pytest.raises(ValueError, match=r"must name a function; .*:size is a int"):
        network_from_factory(f"{file}:size")


def test_needed_arguments_are_named(file):
    with pytest.raises(ValueError, match=r"needs no argument; .*:needs needs width, depth; give"):
        network_from_factory(f"{file}:needs")


@pytest.mark.parametrize(
    ("name", "message"), [("fails", "raised KeyError: 'layer9'"), ("leaves", "raised SystemExit")]
)
def test_what_a_function_raised_is_said(file, name, message):
    with pytest.raises(ValueError, match=rf"factory: .*{name} {message}"):
        network_from_factory(f"{file}:{name}")


def test_what_is_no_network_is_refused(file):
    with pytest.raises(ValueError, match=r"must return a torch.nn.Module; .* returned a dict"):
        network_from_factory(f"{file}:gives_weights")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def tiny(:", "SyntaxError"),
        ("import a_neighbour_that_is_not_installed", "ModuleNotFoundError: No module named 'a_n"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_a_file_that_fails_is_refused(file, source, message):
    file.write_text(source)
    before = set(sys.modules)
    with pytest.raises(ValueError, match=rf"running .* failed \({message}"):
        network_from_factory(f"{file}:tiny")
    assert set(sys.modules) == before
