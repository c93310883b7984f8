"""Which layers of a network a training changes, and what they give while it does."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from torch import Tensor, nn


def weight_layers(network: nn.Module) -> list[nn.Module]:
    """The modules that hold weights themselves, in the order of their definition.

    Args:
        network: Any.

    Example:
        >>> weight_layers(nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.PReLU()))
        [Linear(in_features=3, out_features=2, bias=True), PReLU(num_parameters=1)]
    """
    return [
        module
        for module in network.modules()
        if any(True for _ in module.parameters(recurse=False))
    ]


@contextmanager
def only_last_layers(network: nn.Module, count: int) -> Iterator[None]:
    """Last layers made new, the only ones that take a gradient within; all of them do after.

    Args:
        network: Its last layers draw new weights from torch's own stream.
        count: How many layers of weights.

    Raises:
        ValueError: If it does not have more layers of weights.
    """
    layers = weight_layers(network)
    if count >= len(layers):
        raise ValueError(
            f"num_trained_layers must be below the network's {len(layers)} layers of weights; "
            f"got {count}"
        )
    network.requires_grad_(False)
    for layer in layers[-count:]:
        layer.reset_parameters()  # type: ignore[operator]  # every layer of torch's own has it
        layer.requires_grad_(True)
    try:
        yield
    finally:
        network.requires_grad_(True)


def frozen_in_eval_mode(network: nn.Module) -> None:
    """Puts layers whose weights take no gradient into eval mode, so that batch norms stay, too.

    Args:
        network: In training mode.
    """
    for layer in weight_layers(network):
        if not any(weight.requires_grad for weight in layer.parameters(recurse=False)):
            layer.eval()


@contextmanager
def watched_outputs(modules: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """A list that holds, after a forward pass within, the output of each module in their order.

    Args:
        modules: Each is to be called once.
    """
    outputs: list[Tensor] = []
    with ExitStack() as stack:
        for module in modules:
            hook = module.register_forward_hook(lambda *call: outputs.append(call[2]))
            stack.callback(hook.remove)
        yield outputs
