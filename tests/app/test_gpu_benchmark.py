"""The benchmark for the first machine with a GPU runs on any, small, and sees what is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import exray

ROOT = Path(exray.__file__).parents[1]
WRONG = """
import sys, torch
import gpu
from dataclasses import replace

{plant}
gpu.WAYS = gpu.WAYS[:2]  # nothing to compile
sys.argv = ["gpu.py", "--small"]
sys.exit(gpu.main())
"""
PLANTS = {
    # Every trigger is said to be of the third class.
    "inversion": """
found = gpu.Subject.agreement
def other(self, triggers):
    third = [replace(t, target_class=3 - t.victim_class - t.target_class) for t in triggers]
    return found(self, third)
gpu.Subject.agreement = other
""",
    # In bfloat16 the head's logits are those of the classes in another order.
    "masks": """
from exray.judges.differencing.head_runner import HeadCalls
found = HeadCalls.__call__
def turned(self, features):
    return found(self, features).roll(int(self._lower), dims=1)
HeadCalls.__call__ = turned
""",
}


def ran(*words):
    """The benchmark's exit status, its rows and its errors."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH", "")])
    process = subprocess.run(
        [sys.executable, *words],
        env=os.environ | {"PYTHONPATH": path, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = process.stdout.splitlines()
    rows = [line for line in lines if "masks" in line or "inversion" in line]
    return process.returncode, rows, process.stderr


@pytest.mark.slow  # compiles
@pytest.mark.timeout(900)
def test_the_gpu_benchmark_runs_small():
    status, rows, errors = ran(ROOT / "benchmarks" / "gpu.py", "--small")
    assert len(rows) == 5, errors
    assert not [row for row in rows if "failed" in row or "disagrees" in row], rows
    assert status == 0
    assert not errors


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", PLANTS)
def test_a_wrong_result_in_bfloat16_is_seen(part):
    status, rows, errors = ran("-c", WRONG.format(plant=PLANTS[part]))
    assert len(rows) == 4, errors
    assert [row for row in rows if "disagrees" in row and part in row], rows
    assert not [row for row in rows if "disagrees" in row and part not in row], rows
    assert status == 1
