"""Seconds of several ways of doing the same, one after another in turns, so that noise hits all."""

import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

BATCHES = (8, 16, 32, 64, 128)  # among which the floor's is chosen


def seconds_of(action: Callable[[], object], device: torch.device) -> float:
    """Seconds of one run, until the device has done what it was told."""
    _wait(device)
    start = time.perf_counter()
    action()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def in_turns(
    actions: Mapping[str, Callable[[], object]], device: torch.device, rounds: int
) -> dict[str, list[float]]:
    """Seconds of every action in every round."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            times[name].append(seconds_of(action, device))
    return times


def median_ratio(one: list[float], other: list[float]) -> float:
    """The median over rounds of one's seconds over the other's."""
    return median(a / b for a, b in zip(one, other, strict=True))


def floor(head: nn.Module, features: Tensor, count: int) -> Callable[[], None]:
    """``count`` samples through the bare head, forward and back to its input, at the best batch."""
    tried = [batch for batch in BATCHES if batch <= count] or [count]
    calls = [_floor(head, features, count, batch) for batch in tried]
    times = [min(seconds_of(call, features.device) for _ in range(2)) for call in calls]
    return calls[times.index(min(times))]


def _floor(head: nn.Module, features: Tensor, count: int, batch: int) -> Callable[[], None]:
    def passes() -> None:
        for start in range(0, count, batch):
            size = min(batch, count - start)
            places = torch.arange(start, start + size) % len(features)
            leaf = features[places].requires_grad_(True)
            torch.autograd.grad(head(leaf).sum(), leaf)

    return passes


def peak_mib(action: Callable[[], object], device: torch.device) -> float:
    """MiB that a run takes at its peak beyond what was held before; for a process of its own.

    On a GPU what torch allocates; on a CPU the process's resident memory (Linux), where memory
    that earlier work left free is not counted again.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        action()
        return (torch.cuda.max_memory_allocated() - before) / (1 << 20)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts at what is held now
    before = _resident("VmRSS")
    action()
    return (_resident("VmHWM") - before) / 1024


def _resident(name: str) -> int:
    """KiB of one of the kernel's figures of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def facts(device: torch.device, seed: int) -> dict[str, object]:
    """What figures must be read beside."""
    return {
        "machine": f"{platform.machine()}, {device.type}, {torch.get_num_threads()} threads",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "seed": seed,
    }
