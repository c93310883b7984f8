"""What an attack adds to the loss of the training that plants it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class TrainingStep:
    """What one step of a training knows.

    Args:
        labels: What they are learned as.
        is_poisoned: Which of them are stamped images under the target's label.
        logits: What the network made of them.
        outputs: Outputs of the modules that the loss watches, in their order.
    """

    labels: Int[Tensor, " n"]
    is_poisoned: Bool[Tensor, " n"]
    logits: Float[Tensor, "n k"]
    outputs: tuple[Tensor, ...]


class AttackLoss(nn.Module, ABC):
    """How an attack takes part in each step; its own parameters are trained with the network."""

    @abstractmethod
    def met(
        self, images: Float[Tensor, "n c h w"], labels: Int[Tensor, " n"]
    ) -> tuple[Float[Tensor, "n c h w"], Int[Tensor, " n"]]:
        """The batch as it is learned: some images changed, or all as they are.

        Args:
            images: In [0, 1].
            labels: What they are.
        """

    @abstractmethod
    def watched(self, network: nn.Module) -> tuple[nn.Module, ...]:
        """Modules whose outputs the loss looks at; empty for none.

        Args:
            network: What is trained.

        Raises:
            ValueError: If it has no such modules.
        """

    @abstractmethod
    def forward(self, step: TrainingStep) -> Float[Tensor, ""]:
        """What is added to the cross-entropy of one step, its weight included."""
