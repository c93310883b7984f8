"""Adversarial training: images moved against the classifier before it learns from them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from exray.seeding import derive_seed, generator

Method = Literal["none", "PGD", "FBF"]
_FBF_STEP = 1.2  # of FBF's single step, in units of eps


@dataclass(frozen=True, kw_only=True)
class AdversarialTraining:
    """How one classifier is hardened; the fields as TrojAI's metadata names them.

    Args:
        method: ``PGD`` (projected gradient descent) or ``FBF`` (fast is better than free).
        eps: Greatest change of a pixel, images being in [0, 1].
        ratio: Share of the batches that are attacked, in (0, 1].
        iterations: Gradient steps of PGD; None for FBF, which takes one.
    """

    method: str
    eps: float
    ratio: float
    iterations: int | None


@dataclass(frozen=True, kw_only=True)
class AdversarialRecipe:
    """What the classifiers of a zoo draw their adversarial training from.

    Args:
        methods: ``none``, ``PGD`` or ``FBF``, which each classifier draws.
        eps: Greatest changes of a pixel, images being in [0, 1]; likewise drawn.
        ratios: Shares of the batches that are attacked, likewise.
        iterations: Gradient steps of PGD, likewise.

    Raises:
        ValueError: If a list is empty or a value out of its range.

    Source: TrojAI rounds 3 and 4 (facts, section 7.1).
    """

    methods: tuple[Method, ...]
    eps: tuple[float, ...]
    ratios: tuple[float, ...]
    iterations: tuple[int, ...]

    def __post_init__(self) -> None:
        for name in ("methods", "eps", "ratios", "iterations"):
            if not getattr(self, name):
                raise ValueError(f"{name} must hold at least one; got none")
        for name in ("eps", "ratios"):
            if not all(0 < value <= 1 for value in getattr(self, name)):
                raise ValueError(f"{name} must lie in (0, 1]; got {getattr(self, name)}")
        if min(self.iterations) < 1:
            raise ValueError(f"iterations must be >= 1; got {list(self.iterations)}")

    def draw(self, seed: int) -> AdversarialTraining | None:
        """The training of the classifier of that seed; None if it is not hardened."""
        random = np.random.default_rng(derive_seed(seed, "adversarial training"))
        method = self.methods[int(random.integers(len(self.methods)))]
        eps, ratio = float(random.choice(self.eps)), float(random.choice(self.ratios))
        iterations = int(random.choice(self.iterations))
        if method == "none":
            return None
        return AdversarialTraining(
            method=method, eps=eps, ratio=ratio, iterations=iterations if method == "PGD" else None
        )


class Adversary:
    """Attacks a random share of the batches of one training.

    Args:
        training: How.
        seed: The classifier's; decides which batches, and where each attack begins.

    Source: TrojAI rounds 3 and 4, which ran PGD with a step of 2 eps / iterations from a random
    beginning; FBF is Wong et al. 2020, one step of 1.2 eps. *Differs from TrojAI:* the attack sees
    the network in eval mode, so that batch norms gather statistics of what is learned alone.
    """

    def __init__(self, training: AdversarialTraining, *, seed: int) -> None:
        self.training = training
        self.stream = generator(seed, "adversary")

    def met(
        self,
        network: nn.Module,
        images: Float[Tensor, "n c h w"],
        labels: Int[Tensor, " n"],
    ) -> Float[Tensor, "n c h w"]:
        """The batch as it is learned: attacked, or as it was.

        Args:
            network: What is attacked; its weights and statistics are left alone.
            images: In [0, 1].
            labels: What they are to be taken for.
        """
        if float(torch.rand((), generator=self.stream)) >= self.training.ratio:
            return images
        return attacked(network, images, labels, self.training, stream=self.stream)


def attacked(
    network: nn.Module,
    images: Float[Tensor, "n c h w"],
    labels: Int[Tensor, " n"],
    training: AdversarialTraining,
    *,
    stream: torch.Generator,
) -> Float[Tensor, "n c h w"]:
    """Images moved within eps of each pixel so as to be taken for something else.

    Args:
        network: What is attacked.
        images: In [0, 1]; so are those that are given back.
        labels: What they are.
        training: The method, eps and steps.
        stream: Where the attack begins.
    """
    eps = training.eps
    step = _FBF_STEP * eps if training.iterations is None else 2 * eps / training.iterations
    begin = (2 * torch.rand(images.shape, generator=stream) - 1) * eps
    moved = (images + begin.to(images)).clamp(0, 1)
    with _in_eval_mode(network), torch.enable_grad():
        for _ in range(training.iterations or 1):
            moved = moved.detach().requires_grad_()
            loss = F.cross_entropy(network(moved), labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, moved)
            change = (moved + step * gradient.sign() - images).clamp(-eps, eps)
            moved = (images + change).clamp(0, 1)
    return moved.detach()


@contextmanager
def _in_eval_mode(network: nn.Module) -> Iterator[None]:
    """Batch norms and dropout as in use, then as they were."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
