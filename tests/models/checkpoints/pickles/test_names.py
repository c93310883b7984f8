"""What a name in a pickle is: what is not known to make a plain value is code."""

import sys

import pytest

from exray.models.checkpoints.pickles.names import DATA, NameKind, is_plain, kind_of

KINDS = {
    NameKind.WEIGHTS: ("torch.FloatStorage", "torch.qint8", "collections.OrderedDict"),
    NameKind.LAYER: ("torch.nn.modules.linear.Linear", "torchvision.models.resnet.ResNet"),
    NameKind.DATA: (
        "argparse.Namespace", "pathlib.PosixPath", "collections.defaultdict", "numpy.dtype",
        "numpy.core.multiarray.scalar", "datetime.datetime", "builtins.getattr",
    ),
    NameKind.CLASS: (
        "omegaconf.dictconfig.DictConfig", "__main__.Net", "models.resnet._Block",
        "torch.nn.modules.rnn.LSTM", "torch.optim.adam.Adam", "torch.nn.parallel.DataParallel",
    ),
    NameKind.FUNCTION: ("mine.build", "torch.nn.functional.relu", "timm.create_model"),
    NameKind.CODE: (
        "os.system", "posix.system", "nt.system", "subprocess.Popen", "builtins.eval",
        "builtins.map", "commands.getoutput", "__builtin__.eval", "copy_reg.constructor",
        "torch.load", "torch.storage._load_from_bytes",
        "torch.hub.load", "torch.jit._script.RecursiveScriptModule",
        "torch.package.PackageImporter", "torch.nn.modules.os.system", "numpy.load",
        "numpy.memmap", "numpy.__builtins__", "mine.__globals__", "mine.subprocess.Popen",
        "pip.main", "dill._dill._create_code", "logging.FileHandler", "ctypes.CDLL",
        "a name that it computes", "copyreg.extension_1", "mine.a\nb", "bare", "timeit.Timer",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_name_is_of_its_kind(kind):
    assert {name: kind_of(name) for name in KINDS[kind]} == dict.fromkeys(KINDS[kind], kind)


def test_all_of_pythons_library_is_code_but_for_what_makes_plain_values():
    names = [f"{module}.{name}" for module in sys.stdlib_module_names for name in ("run", "Popen")]
    assert {kind_of(name) for name in names} == {NameKind.CODE}


def test_what_makes_plain_values_is_no_function_but_pickles_own():
    functions = {name for name in DATA if name.rpartition(".")[2].startswith("_")}
    assert {name for name in functions if "numpy" not in name} == {
        "copyreg._reconstructor", "copy_reg._reconstructor", "torch._tensor._rebuild_from_type_v2",
        "torch._utils._rebuild_parameter_with_state",
    }  # fmt: skip
    assert not any(map(is_plain, DATA - {"builtins.set"}))
