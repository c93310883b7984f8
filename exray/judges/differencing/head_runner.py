"""Calls of the frozen head: precision, compilation, and how many samples one call takes."""

import copy
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from exray.models.classifier import Precision

_CACHE_BYTES = 12 << 20  # of a call's activations on a CPU; larger calls fall out of its cache
_MIN_SAMPLES = 40  # a call takes, cache or not: with fewer, the overhead of a deep head shows


@dataclass(frozen=True, kw_only=True)
class HeadSettings:
    """How the head is run.

    Args:
        memory_budget_gb: GiB that the activations of one call may take.
        precision: ``bfloat16`` halves the traffic where the device computes in it; masks and
            losses stay in the features' own precision.
        channels_last: Whether features lie in memory with their channels last, which suits some
            convolutions (1x1 ones and small ones) and not others.
        compile: Whether torch.compile fuses the head; tens of seconds before the first step.

    Raises:
        ValueError: If the budget is not positive.
    """

    memory_budget_gb: float
    precision: Precision
    channels_last: bool
    compile: bool

    def __post_init__(self) -> None:
        if isinstance(self.memory_budget_gb, str) or not self.memory_budget_gb > 0:
            raise ValueError(
                f"memory_budget_gb must be a positive number of GiB; got {self.memory_budget_gb!r}"
            )


class HeadCalls:
    """The head as the optimisation calls it, and the features it is called with.

    Args:
        head: The frozen part after the cut; left as it is.
        settings: How it is run.
        bank: Features of every sample that takes part.
    """

    def __init__(
        self, head: nn.Module, settings: HeadSettings, *, bank: Float[Tensor, "rows c ..."]
    ) -> None:
        self.bytes_per_sample = saved_bytes(head, bank[:2]) // len(bank[:2])
        self._lower = settings.precision == "bfloat16"
        self._last = settings.channels_last and bank.dim() == 4
        self._bank = bank.movedim(1, -1).contiguous() if self._last else bank
        self._head = head
        if self._lower or self._last:
            self._head = copy.deepcopy(head)
        if self._lower:
            self._head.to(torch.bfloat16)
        if self._last:
            self._head.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if settings.compile:
            self._head = torch.compile(self._head, dynamic=True)  # type: ignore[assignment]
        self._budget = settings.memory_budget_gb
        self._on_cpu = bank.device.type == "cpu"

    def features(self, rows: Int[Tensor, " n"]) -> Float[Tensor, "n c ..."]:
        """Features of some rows of the bank."""
        features = self._bank.index_select(0, rows)
        return features.movedim(-1, 1) if self._last else features

    def __call__(self, features: Float[Tensor, "n c ..."]) -> Float[Tensor, "n k"]:
        """Logits, in the features' precision."""
        if not self._lower:
            logits: Tensor = self._head(features)
            return logits
        logits = self._head(features.to(torch.bfloat16))
        return logits.to(features.dtype)

    def samples_per_call(self, at_least: int) -> int:
        """Samples one call takes: within the budget, and on a CPU within its cache.

        Args:
            at_least: Samples of the largest pair, which are not taken apart.

        Raises:
            ValueError: If the budget does not hold one pair.
        """
        allowed = int(self._budget * (1 << 30)) // self.bytes_per_sample
        if allowed < at_least:
            needed = at_least * self.bytes_per_sample / (1 << 30)
            raise ValueError(
                f"memory_budget_gb={self._budget:g} is too small: one "
                f"pair of {at_least} samples needs {needed:.2g}; raise it, lower "
                "samples_per_class or cut at a later layer"
            )
        if not self._on_cpu:
            return allowed
        fits = max(_MIN_SAMPLES, _CACHE_BYTES // self.bytes_per_sample)
        return max(at_least, min(allowed, fits))


def saved_bytes(head: nn.Module, features: Float[Tensor, "n c ..."]) -> int:
    """Bytes that a forward and backward pass through the head holds at once.

    Counts what autograd keeps for the backward pass, but for the head's own weights, and the
    features with their gradient.

    Args:
        head: The frozen part after the cut.
        features: What it is called with.
    """
    own = {value.untyped_storage().data_ptr() for value in _values(head)}
    seen: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with (
        torch.enable_grad(),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
    ):
        logits = head(features.detach().clone().requires_grad_(True))
    del logits
    return sum(seen.values()) + 2 * features.numel() * features.element_size()


def _values(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]
