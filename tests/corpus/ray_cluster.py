"""A Ray cluster of several nodes on this machine, in an environment of its own."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import exray

ROOT = Path(exray.__file__).parents[1]
INSTALL_SECONDS = 1200.0
STOP_SECONDS = 60.0
VARIABLES = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "120",  # of a node, on a machine with other work
}


def environment_or_skip(folder):
    """The Python of a new environment with all that ``exray[ray]`` needs.

    Of its own, since Hydra's Ray launcher holds cloudpickle below 3. Skips where it cannot be made,
    and says why.
    """
    values = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*values["dependencies"], *values["optional-dependencies"]["ray"]]
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    installer = (
        [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    )
    words = [*installer, "-q", "-c", ROOT / "constraints.txt", *needed]
    # uv does not read pip's find-links; uncompiled, Ray's nodes start too slowly to start at all.
    options = {
        "UV_FIND_LINKS": os.environ.get("PIP_FIND_LINKS", ""),
        "UV_COMPILE_BYTECODE": "1",
    }
    try:
        installed = subprocess.run(
            words,
            env=os.environ | options,
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"exray[ray] was not installed within {INSTALL_SECONDS:g} s")
    if installed.returncode != 0:
        pytest.skip(f"exray[ray] cannot be installed: {installed.stderr.strip()[-300:]}")
    return python


def environment_variables():
    """What commands in that environment need: this exray, and no words of Ray's own."""
    return os.environ | VARIABLES | {"PYTHONPATH": str(ROOT)}


class RayCluster:
    """Nodes of one CPU each.

    Args:
        python: Of an environment with Ray.
        nodes: How many.
    """

    def __init__(self, python, nodes):
        self.process = subprocess.Popen(
            [python, Path(__file__).with_name("ray_nodes.py"), str(nodes)],
            env=environment_variables(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.address = self.process.stdout.readline().strip()
        if not self.address:
            raise RuntimeError(f"Ray did not start: {self.process.communicate()[1][-2000:]}")

    def stop(self):
        """Ends the nodes; how many of them had a task."""
        out, err = self.process.communicate("end\n", timeout=STOP_SECONDS)
        assert self.process.returncode == 0, err
        return int(out)

    def close(self):
        """Ends the nodes if they still are up; a killed starter would leave their agents behind."""
        if self.process.poll() is None:
            self.process.communicate("end\n", timeout=STOP_SECONDS)
