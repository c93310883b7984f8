"""What a network returns: how many classes, and whether logits or probabilities."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import no_type_check

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from exray.models.fixed_batch import around

_SUM_TOLERANCE = 1e-3
_SMALLEST_PROBABILITY = 1e-30  # representable in float32, with a finite logarithm
_CLAIMED = 0.5  # a probability that a network of them gives to some class of some image
_LOGIT_ROUNDING = 1e-3  # of a logit near 70 in float32
_LARGEST_PROBABILITY = 1 - 2**-23  # float32 knows one more below 1


class OutputKind(StrEnum):
    """What the numbers are that a network returns."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"
    LOG_PROBABILITIES = "log-probabilities"
    MULTI_LABEL = "a probability of each class alone"


class LogitSource(StrEnum):
    """Where the logits of a network come from."""

    NETWORK = "the network itself"
    SOFTMAX_REMOVED = "the network without its final softmax"
    LOG_OF_PROBABILITIES = "the logarithm of the network's probabilities"
    SIGMOID_REMOVED = "the network without its final sigmoid"
    LOGIT_OF_PROBABILITIES = "the logarithm of the odds of the network's probabilities"

    @property
    def remark(self) -> str:
        """What the user should know; empty where the network returns logits by itself."""
        if self is LogitSource.NETWORK:
            return ""
        if self in (LogitSource.SIGMOID_REMOVED, LogitSource.LOGIT_OF_PROBABILITIES):
            return (
                "the network returns a probability of each class alone, as a multi-label network "
                f"does; logits are taken from {self}"
            )
        return f"the network returns probabilities; logits are taken from {self}"


@dataclass(frozen=True, kw_only=True)
class OutputFacts:
    """What a network returns, as observed on one batch.

    Args:
        num_classes: Number of outputs of each image.
        kind: What they are. Log-probabilities serve as logits as they are.
    """

    num_classes: int
    kind: OutputKind


class LogOfProbabilities(nn.Module):
    """A network's probabilities turned into logits: ``log(max(p, 1e-30))``.

    Its softmax is the network's output again. Where a probability has been rounded to 0, so has
    its gradient: an inversion through it is weaker than one through true logits.

    Args:
        network: Returns probabilities.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @no_type_check  # torch.fx traces it with a stand-in that is no tensor
    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Logits of the images."""
        return self.network(images).clamp_min(_SMALLEST_PROBABILITY).log()


class LogitOfProbabilities(nn.Module):
    """A network's independent probabilities turned into logits: ``log(p / (1 - p))``.

    Their sigmoid is the network's output again, as far as float32 tells 1 from the number below it.

    Args:
        network: Returns numbers in [0, 1].
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @no_type_check  # torch.fx traces it with a stand-in that is no tensor
    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Logits of the images."""
        return self.network(images).clamp(_SMALLEST_PROBABILITY, _LARGEST_PROBABILITY).logit()


def saturated_rows(network: nn.Module, logits: Float[Tensor, "n k"]) -> Bool[Tensor, " n"]:
    """Images for which a network's probabilities are all 0 or 1.

    Args:
        network: As :func:`without_final_activation` gives it; true logits are never saturated.
        logits: Its outputs.

    Example:
        >>> network = LogOfProbabilities(nn.Identity())
        >>> logits = network(torch.tensor([[0.0, 1.0, 0.0], [0.1, 0.9, 0.0]]))
        >>> saturated_rows(network, logits)
        tensor([ True, False])
    """
    kinds = {type(module) for module in network.modules()}
    values = logits.double()
    lowest, highest = torch.tensor(
        [_SMALLEST_PROBABILITY, _LARGEST_PROBABILITY], dtype=values.dtype
    ).logit()
    low = values <= float(lowest) + _LOGIT_ROUNDING
    if LogOfProbabilities in kinds:
        return low.sum(dim=1) == logits.shape[1] - 1
    if LogitOfProbabilities in kinds:  # of a single probability, one of the two logits is 0
        return (low | (values >= float(highest) - _LOGIT_ROUNDING) | (values == 0)).all(dim=1)
    return torch.zeros(len(logits), dtype=torch.bool, device=logits.device)


def probe_outputs(network: nn.Module, images: Float[Tensor, "n c h w"]) -> OutputFacts:
    """What a network returns, found by running it in eval mode on one batch.

    Args:
        network: Run, and left as it was.
        images: At least one image, as the network takes it.

    Raises:
        ValueError: If the network fails on images of this size, or returns something else than
            real numbers, at least two for each image. NaN and infinity are for the scan to report.

    Example:
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Softmax(dim=1))
        >>> facts = probe_outputs(network, torch.rand(2, 3, 2, 2))
        >>> facts.num_classes, facts.kind.value
        (5, 'probabilities')
    """
    outputs = _outputs(network, images, at_least=2)
    return OutputFacts(num_classes=outputs.shape[1], kind=output_kind(outputs))


def output_kind(outputs: Float[Tensor, "n k"]) -> OutputKind:
    """Whether outputs are probabilities, of one class or of each, their logarithms, or logits.

    Args:
        outputs: Real numbers; NaN and infinity are neither.

    Example:
        >>> output_kind(torch.tensor([[0.25, 0.75]])).value
        'probabilities'
        >>> output_kind(torch.tensor([[0.25, 0.75]]).log()).value
        'log-probabilities'
        >>> output_kind(torch.tensor([[0.25, 0.9]])).value
        'a probability of each class alone'
        >>> output_kind(torch.tensor([[0.25, 3.0]])).value
        'logits'
    """
    values = outputs.double()
    if (values >= 0).all() and _sums_to_one(values):
        return OutputKind.PROBABILITIES
    if ((values >= 0) & (values <= 1)).all() and values.max() > _CLAIMED:
        return OutputKind.MULTI_LABEL
    if (values <= 0).all() and _sums_to_one(values.exp()):
        return OutputKind.LOG_PROBABILITIES
    return OutputKind.LOGITS


def without_final_activation(
    network: nn.Module, images: Float[Tensor, "n c h w"]
) -> tuple[nn.Module, LogitSource]:
    """The network made to return logits, where it returns probabilities.

    The last ``nn.Softmax`` or ``nn.Sigmoid`` module that runs is replaced by an identity in a copy,
    and the copy's softmax or sigmoid is compared with the outputs. Where there is no such module or
    they differ (a softmax called as a function), the network is wrapped in
    :class:`LogOfProbabilities` or :class:`LogitOfProbabilities` instead.

    Args:
        network: Run, and left as it was.
        images: At least one image, as the network takes it.

    Returns:
        A network that returns logits, and where they come from: the same network if it already
        does so.

    Raises:
        ValueError: As :func:`probe_outputs`.

    Example:
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Softmax(dim=1))
        >>> bare, source = without_final_activation(network, torch.rand(2, 3, 2, 2))
        >>> bare[2], source.name
        (Identity(), 'SOFTMAX_REMOVED')
    """
    with _calls_of(network, (nn.Softmax, nn.Sigmoid)) as called:
        outputs = _outputs(network, images)
    kind = output_kind(outputs)
    if kind is OutputKind.PROBABILITIES:
        sources = (LogitSource.SOFTMAX_REMOVED, LogitSource.LOG_OF_PROBABILITIES)
    elif kind is OutputKind.MULTI_LABEL:
        sources = (LogitSource.SIGMOID_REMOVED, LogitSource.LOGIT_OF_PROBABILITIES)
    else:
        return network, LogitSource.NETWORK
    if called:
        bare = _with_identity(network, called[-1])
        if bare is not None and _gives_logits_of(bare, images, outputs, kind):
            return bare, sources[0]
    wrapped = LogOfProbabilities if kind is OutputKind.PROBABILITIES else LogitOfProbabilities
    return around(network, wrapped), sources[1]


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Eval mode without gradients; on leaving, each module is in the mode it was in.

    Args:
        network: The network to run inside.
    """
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def raw_outputs(network: nn.Module, images: Float[Tensor, "n ..."]) -> object:
    """Whatever a network returns for one batch in eval mode.

    Args:
        network: Run, and left as it was.
        images: As the network takes them.

    Raises:
        ValueError: If the network fails on them.
    """
    sides = " x ".join(str(side) for side in images.shape[1:])
    try:
        with evaluating(network):
            return network(images)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # a stranger's forward may raise anything
        raise ValueError(
            f"the network fails on images of {sides} ({type(error).__name__}: {error}); "
            "set size or crop to the size it takes"
        ) from error


def _outputs(
    network: nn.Module, images: Float[Tensor, "n ..."], *, at_least: int = 1
) -> Float[Tensor, "n k"]:
    """One batch of outputs, checked."""
    if len(images) == 0:
        raise ValueError("images must hold at least one image; got none")
    outputs = raw_outputs(network, images)
    if not isinstance(outputs, Tensor):
        raise ValueError(
            f"the network must return one tensor in eval mode; got a {type(outputs).__name__}; "
            "wrap it in a factory that returns the logits alone"
        )
    sides = " x ".join(str(side) for side in images.shape[1:])
    _check_outputs(outputs, len(images), sides, at_least)
    return outputs


def _check_outputs(outputs: Tensor, num_images: int, sides: str, at_least: int) -> None:
    if outputs.dim() != 2 or len(outputs) != num_images or outputs.shape[1] < at_least:
        few = "two numbers" if at_least > 1 else "a number"
        raise ValueError(
            f"the network must return at least {few} for each image, shape ({num_images}, k);"
            f" got {tuple(outputs.shape)} for {num_images} images of {sides}; "
            "set size, or wrap it in a factory that returns the logits alone"
        )
    if not outputs.is_floating_point():
        raise ValueError(
            f"the network must return real numbers; got {outputs.dtype}; "
            "wrap it in a factory that returns the logits"
        )


def _sums_to_one(values: Float[Tensor, "n k"]) -> bool:
    return values.shape[1] > 1 and bool(((values.sum(dim=1) - 1).abs() <= _SUM_TOLERANCE).all())


@contextmanager
def _calls_of(network: nn.Module, kinds: tuple[type[nn.Module], ...]) -> Iterator[list[nn.Module]]:
    """The modules of some classes in the order in which they run inside the context."""
    called: list[nn.Module] = []

    def record(module: nn.Module, inputs: object, output: object) -> None:
        del inputs, output
        called.append(module)

    watched = [module for module in network.modules() if isinstance(module, kinds)]
    handles = [module.register_forward_hook(record) for module in watched]
    try:
        yield called
    finally:
        for handle in handles:
            handle.remove()


def _with_identity(network: nn.Module, replaced: nn.Module) -> nn.Module | None:
    """A copy with an identity in a module's place; None where it cannot be copied."""
    if network is replaced:
        return nn.Identity()
    places = [n for n, m in network.named_modules(remove_duplicate=False) if m is replaced]
    try:
        bare = copy.deepcopy(network)
    except (
        RuntimeError,
        TypeError,
        NotImplementedError,
    ):  # tensors kept as plain attributes, locks
        return None
    for place in places:
        parent, _, child = place.rpartition(".")
        setattr(bare.get_submodule(parent), child, nn.Identity())
    return bare


def _gives_logits_of(
    bare: nn.Module,
    images: Float[Tensor, "n c h w"],
    probabilities: Float[Tensor, "n k"],
    kind: OutputKind,
) -> bool:
    """Whether the softmax, or sigmoid, of a network's outputs are these probabilities."""
    with evaluating(bare):
        logits = bare(images)
    if not isinstance(logits, Tensor) or logits.shape != probabilities.shape:
        return False
    again = logits.softmax(dim=1) if kind is OutputKind.PROBABILITIES else logits.sigmoid()
    return torch.allclose(again, probabilities, rtol=1e-3, atol=1e-5)
