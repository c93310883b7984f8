"""Torchvision imports beside any build of torch once exray is imported."""

import subprocess
import sys

from exray.torchvision_compat import TorchvisionFinder


def test_torchvision_imports_after_exray():
    # What imports torchvision wherever it is (torchmetrics, Lightning, timm) all other tests need.
    statement = "import exray, torchvision.models.inception"
    result = subprocess.run(
        [sys.executable, "-c", statement], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_importing_exray_imports_no_torch_and_the_hook_is_installed_once():
    statement = (
        "import sys, exray; from exray.torchvision_compat import install, TorchvisionFinder as F;"
        "install(); count = sum(isinstance(f, F) for f in sys.meta_path);"
        "sys.exit('torch' in sys.modules or count != 1)"
    )
    assert subprocess.run([sys.executable, "-c", statement], check=False).returncode == 0


def test_modules_of_namespace_packages_are_left_to_others():
    import mpl_toolkits  # any package without an __init__.py

    assert TorchvisionFinder().find_spec("mpl_toolkits.mplot3d", mpl_toolkits.__path__) is None
