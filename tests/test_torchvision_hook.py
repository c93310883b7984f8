"""Torchvision imports beside any build of torch once exray is imported."""

import subprocess
import sys

from exray.torchvision_hook import TorchvisionFinder


def test_torchvision_and_what_needs_it_import_after_exray():
    statement = "import exray, torchmetrics, pytorch_lightning, torchvision.models.inception"
    result = subprocess.run(
        [sys.executable, "-c", statement], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_importing_exray_alone_imports_no_torch():
    statement = "import sys, exray; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", statement], check=False).returncode == 0


def test_installing_the_hook_twice_leaves_one_finder():
    statement = (
        "import sys, exray; from exray.torchvision_hook import install, TorchvisionFinder as F;"
        "install(); sys.exit(sum(isinstance(f, F) for f in sys.meta_path) != 1)"
    )
    assert subprocess.run([sys.executable, "-c", statement], check=False).returncode == 0


def test_modules_of_namespace_packages_are_left_to_others():
    import mpl_toolkits  # any package without an __init__.py

    assert TorchvisionFinder().find_spec("mpl_toolkits.mplot3d", mpl_toolkits.__path__) is None
