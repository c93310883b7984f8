"""What a name in a pickle is: weights, a layer, plain data, somebody's class, or code."""

import re
import sys
from _compat_pickle import IMPORT_MAPPING
from enum import Enum
from functools import lru_cache

from exray.models.checkpoints.pickles.layer_allowlist import is_layer

_PLAIN = re.compile(
    r"collections\.OrderedDict|torch\._utils\._rebuild_(tensor|tensor_v2|tensor_v3|parameter"
    r"|sparse_tensor|qtensor)|torch\.(cuda\.|storage\.)?(\w+)Storage"
    r"|torch\.(Size|device|Tensor|(b?float|q?u?int|complex)\d+\w*|bool|per_\w+)"
    r"|torch\.nn\.parameter\.Parameter|torch\.serialization\._get_layout|builtins\.set"
    r"|_codecs\.encode"
)
# Of Python's library and of numpy nothing else may be named; each only makes a value.
_DATA: dict[str, str] = {
    "argparse": "Namespace",
    "builtins": "bool bytearray bytes complex dict float frozenset int list long object range set "
    "slice str tuple unicode xrange",
    "collections": "ChainMap Counter UserDict UserList UserString defaultdict deque",
    "copyreg": "_reconstructor",
    "copy_reg": "_reconstructor",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "functools": "partial",
    "pathlib": "Path PosixPath PurePath PurePosixPath PureWindowsPath WindowsPath",
    "pathlib._local": "Path PosixPath PurePath PurePosixPath PureWindowsPath WindowsPath",
    "random": "Random",
    "types": "SimpleNamespace",
    "typing": "Any Dict List Optional Tuple Union",
    "uuid": "UUID SafeUUID",
    "numpy": "bool bool_ dtype float16 float32 float64 int16 int32 int64 int8 ndarray str_ uint16 "
    "uint32 uint64 uint8",
    "numpy._core.multiarray": "_reconstruct scalar",
    "numpy._core.numeric": "_frombuffer",
    "numpy.core.multiarray": "_reconstruct scalar",
    "numpy.core.numeric": "_frombuffer",
    "numpy.random._pickle": "__bit_generator_ctor __generator_ctor __randomstate_ctor",
    "numpy.random._mt19937": "MT19937",
    "numpy.random._pcg64": "PCG64",
    "torch._tensor": "_rebuild_from_type_v2",
    "torch._utils": "_rebuild_parameter_with_state",
    "torch.torch_version": "TorchVersion",
}
DATA = frozenset(f"{module}.{name}" for module, names in _DATA.items() for name in names.split())
_ENUM_MEMBER = "builtins.getattr"  # by which enumerations are pickled; held to that in policy.py
# Parts of torch whose classes hold settings and weights.
_TORCH_PARTS = re.compile(
    r"torch\.(nn|optim|amp|ao\.(nn|quantization)|cuda\.amp|distributions|utils\.data"
    r"|_dynamo\.eval_frame)\."
)
# Packages that start programs, and those that unpickle or install by themselves.
_DENIED_PACKAGES = frozenset(
    {
        "IPython", "cffi", "cloudpickle", "dill", "distutils", "execnet", "fabric", "invoke",
        "ipykernel", "joblib", "jupyter_client", "paramiko", "pexpect", "pip", "pkg_resources",
        "plumbum", "pwn", "setuptools", "sh",
    }
)  # fmt: skip
_DENIED_PARTS = frozenset(  # which a name can reach through any module that imports them
    {
        "builtins", "compileall", "ctypes", "cpp_extension", "importlib", "marshal",
        "multiprocessing", "nt", "os", "pickle", "posix", "pty", "runpy", "shutil", "socket",
        "subprocess", "sys",
    }
)  # fmt: skip
_MAIN = ("__main__", "__mp_main__", "__torch__")


class NameKind(Enum):
    """What a name in a pickle is."""

    WEIGHTS = "rebuilds weights"
    LAYER = "is a layer on the list"
    DATA = "makes a plain value"
    CLASS = "is a class of another package"
    FUNCTION = "is a function of another package"
    CODE = "can run code"


@lru_cache(maxsize=4096)
def kind_of(path: str) -> NameKind:
    """What a name is.

    Of Python's own library, of numpy and of torch only what is listed is known to make values and
    no more; all else there is code. Of packages that exray does not know, names that start with a
    capital letter are taken for classes, the others for functions. An instance of a class may be
    in a file, since exray makes none; a file that calls a function is refused.

    Args:
        path: Module and name, with dots between.

    Example:
        >>> [kind_of(name).name for name in ("torch.Size", "argparse.Namespace", "timm.Mixup")]
        ['WEIGHTS', 'DATA', 'CLASS']
        >>> [kind_of(name).name for name in ("os.system", "subprocess.Popen", "timm.create")]
        ['CODE', 'CODE', 'FUNCTION']
    """
    if is_plain(path):
        return NameKind.WEIGHTS
    if is_layer(path):
        return NameKind.LAYER
    if path in DATA or path == _ENUM_MEMBER:
        return NameKind.DATA
    parts = path.split(".")
    if _is_code(path, parts):
        return NameKind.CODE
    return NameKind.CLASS if parts[-1].lstrip("_")[:1].isupper() else NameKind.FUNCTION


def _is_code(path: str, parts: list[str]) -> bool:
    first = parts[0]
    if first in sys.stdlib_module_names or first in IMPORT_MAPPING or first in ("numpy", "nt"):
        return True
    if first == "torch" and not _TORCH_PARTS.match(path):
        return True
    if first in _DENIED_PACKAGES or _DENIED_PARTS & set(parts) or not path.isprintable():
        return True
    return len(parts) < 2 or any(
        not part.isidentifier() or part.startswith("__") for part in parts if part not in _MAIN
    )


def is_plain(path: str) -> bool:
    """Whether a name is one that plain weights are rebuilt with.

    Example:
        >>> is_plain("torch._utils._rebuild_tensor_v2"), is_plain("os.system")
        (True, False)
    """
    return _PLAIN.fullmatch(path) is not None
