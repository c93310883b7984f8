"""Fine-pruning: channels that sleep on clean images are cut, then the rest is fine-tuned."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.repair.base import RepairMethod
from exray.repair.fine_tuning import FineTuning, WeightConstraint, fine_tune
from exray.repair.trainable import trainable_copy
from exray.triggers.base import InvertedTrigger


@dataclass(frozen=True, kw_only=True)
class FinePruning(RepairMethod):
    """Cuts channels of the last convolution, the quietest on clean images first, and fine-tunes.

    A backdoor may use channels that clean images do not wake. Channels are cut until the accuracy
    on the images that are learned from would fall by more than is allowed; they stay cut.

    Args:
        fine_tuning: How long and how fast; triggers are stamped on its share of the images.
        max_pruning_drop: Of that accuracy by pruning alone, a fraction.

    Raises:
        ValueError: If ``max_pruning_drop`` is no fraction.

    Source: Liu et al. 2018, Fine-pruning: defending against backdooring attacks on deep networks.
    """

    fine_tuning: FineTuning
    max_pruning_drop: float

    def __post_init__(self) -> None:
        if not 0 <= self.max_pruning_drop <= 1:
            drop = self.max_pruning_drop
            raise ValueError(f"max_pruning_drop must be a fraction in [0, 1]; got {drop}")

    def repaired(
        self,
        classifier: Classifier,
        samples: SampleSet,
        triggers: Sequence[InvertedTrigger],
        *,
        seed: int,
    ) -> Classifier:
        """The classifier after pruning and fine-tuning.

        Raises:
            ValueError: If it has no convolution of more than one channel.
        """
        network = trainable_copy(classifier, samples.images, samples.labels)
        inputs = classifier.preprocessing(samples.images)
        last = last_convolution(network, inputs[:2])
        order = last.activity(network, inputs).argsort()
        pruned = _prune(last, order, network, inputs, samples.labels, self.max_pruning_drop)
        fine_tune(
            network,
            classifier,
            samples,
            triggers,
            self.fine_tuning,
            seed=seed,
            constraint=pruned,
        )
        return classifier.around(network)


@dataclass(frozen=True, kw_only=True, eq=False)
class Convolution:
    """A convolution with the batch norm that reads it, if one does.

    Args:
        layer: The convolution.
        norm: The batch norm; None without one.
    """

    layer: nn.Conv2d
    norm: nn.BatchNorm2d | None

    @torch.no_grad()
    def activity(
        self, network: nn.Module, inputs: Float[Tensor, "n c h w"]
    ) -> Float[Tensor, " channels"]:
        """Mean activation of each channel behind a ReLU.

        Args:
            network: That it is a layer of, in eval mode.
            inputs: Clean images as the network takes them.
        """
        sums: list[Tensor] = []

        def record(module: nn.Module, given: object, output: Tensor) -> None:
            del module, given
            sums.append(F.relu(output).mean(dim=(2, 3)).sum(dim=0))

        handle = (self.norm or self.layer).register_forward_hook(record)
        try:
            for chunk in torch.split(inputs, 256):
                network(chunk)
        finally:
            handle.remove()
        return torch.stack(sums).sum(dim=0) / len(inputs)

    @torch.no_grad()
    def cut(self, channels: Int[Tensor, " cut"]) -> None:
        """Makes channels give 0, whatever the image.

        Args:
            channels: Which.
        """
        values: list[Tensor | None] = [self.layer.weight, self.layer.bias]
        if self.norm is not None:
            values += [self.norm.weight, self.norm.bias]
        for value in values:
            if value is not None:
                value[channels] = 0


class Cut(WeightConstraint):
    """Keeps channels cut while the rest is learned.

    Args:
        convolution: Whose.
        channels: Which.
    """

    def __init__(self, convolution: Convolution, channels: Int[Tensor, " cut"]) -> None:
        self.convolution = convolution
        self.channels = channels

    def penalty(self, network: nn.Module) -> Float[Tensor, ""]:
        """Nothing."""
        del network
        return self.convolution.layer.weight.new_zeros(())

    def enforce(self, network: nn.Module) -> None:
        """Cuts the channels again."""
        del network
        self.convolution.cut(self.channels)


@torch.no_grad()
def last_convolution(network: nn.Module, inputs: Float[Tensor, "n c h w"]) -> Convolution:
    """The last convolution that runs and does not give the logits, with its batch norm.

    Args:
        network: In eval mode.
        inputs: As the network takes them.

    Raises:
        ValueError: If there is none.
    """
    called: list[tuple[nn.Module, Tensor, Tensor]] = []

    def record(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        called.append((module, given[0], output))

    kinds = (nn.Conv2d, nn.BatchNorm2d)
    parts = [module for module in network.modules() if isinstance(module, kinds)]
    handles = [part.register_forward_hook(record) for part in parts]
    try:
        num_classes = network(inputs).shape[1]
    finally:
        for handle in handles:
            handle.remove()
    hidden = [
        (module, output)
        for module, _, output in called
        if isinstance(module, nn.Conv2d) and module.out_channels != num_classes
    ]
    if not hidden:
        raise ValueError(
            "fine-pruning needs a network with a convolution; use repair=unlearning or "
            "repair=feature_shift"
        )
    layer, output = hidden[-1]
    norms = [
        module
        for module, given, _ in called
        if isinstance(module, nn.BatchNorm2d) and given is output
    ]
    return Convolution(layer=layer, norm=norms[0] if norms else None)


@torch.no_grad()
def _prune(
    last: Convolution,
    order: Int[Tensor, " channels"],
    network: nn.Module,
    inputs: Float[Tensor, "n c h w"],
    labels: Int[Tensor, " n"],
    max_drop: float,
) -> Cut:
    """Cuts the quietest channels, as many as accuracy allows, by bisection of their number."""
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    before = _accuracy(network, inputs, labels)
    low, high = 0, len(order)  # so many may be cut; so many may not
    while high - low > 1:
        middle = (low + high) // 2
        last.cut(order[:middle])
        allowed = before - _accuracy(network, inputs, labels) <= max_drop
        network.load_state_dict(kept)
        low, high = (middle, high) if allowed else (low, middle)
    last.cut(order[:low])
    return Cut(last, order[:low])


def _accuracy(
    network: nn.Module, inputs: Float[Tensor, "n c h w"], labels: Int[Tensor, " n"]
) -> float:
    logits = torch.cat([network(chunk) for chunk in torch.split(inputs, 256)])
    return float((logits.argmax(dim=1) == labels).double().mean())
