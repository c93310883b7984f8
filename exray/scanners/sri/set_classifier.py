"""SRI's classifier of classifiers: from what its triggers look like to how likely a trojan is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from exray.scanners.validation import require_count

_SPAN = 8.0  # logits lie within plus and minus this, as in the released code


def _greatest(encoded: Float[Tensor, "n s f"]) -> Float[Tensor, "n f"]:
    return encoded.amax(dim=1)


def _mean(encoded: Float[Tensor, "n s f"]) -> Float[Tensor, "n f"]:
    return encoded.mean(dim=1)


_POOLS = {"max": _greatest, "mean": _mean}


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How the classifier of classifiers is fitted.

    Args:
        features: What it sees of each trigger, by name.
        pools: What it sees of a classifier's triggers together: ``mean``, ``max``.
        hidden: Units of each layer of the encoder of triggers; 0 for none, which makes a logistic
            regression of the pooled features.
        steps: Of L-BFGS, at most, each over all classifiers.
        penalty: Of the weights' squares, the biases' left out.
        folds: Parts of the zoo; each is scored by a fit that did not see it.
        repeats: Divisions into such parts.
        seed: Of the first weights and of the divisions.

    Raises:
        ValueError: If a number is out of its range, or a name is none or missing.
    """

    features: tuple[str, ...]
    pools: tuple[str, ...]
    hidden: int
    steps: int
    penalty: float
    folds: int
    repeats: int
    seed: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", tuple(self.features))
        object.__setattr__(self, "pools", tuple(self.pools))
        if not self.features:
            raise ValueError("scanner.fit.features must name at least one; got none")
        if not self.pools or not set(self.pools) <= set(_POOLS):
            known = ", ".join(_POOLS)
            raise ValueError(f"scanner.fit.pools must be some of {known}; got {self.pools}")
        for name in ("steps", "repeats"):
            require_count(f"fit.{name}", getattr(self, name))
        if self.hidden < 0 or self.penalty < 0:
            got = f"{self.hidden} and {self.penalty}"
            raise ValueError(f"scanner.fit.hidden and scanner.fit.penalty must be >= 0; got {got}")
        if self.folds < 2:
            raise ValueError(f"scanner.fit.folds must be >= 2; got {self.folds}")


class SetClassifier(nn.Module):
    """A logit for each classifier from its set of triggers.

    Each trigger's features, scaled, go through an encoder; what is pooled over a classifier's
    triggers does not depend on their order, and the pooled parts side by side give the logit.

    Args:
        features: Names of a trigger's features, in the order in which they are given.
        pools: What is pooled, as in ``FitSettings``.
        hidden: Units of each layer of the encoder; 0 for none.

    Source: SRI, ``mlp_set_color_v2xy.py`` (facts, section 4). *Differs from the released code:*
    features are scaled to mean 0 and deviation 1 over the training zoo instead of by hand; the
    greatest can be taken beside the mean, since a trojan may have one victim; and there can be no
    encoder, since a zoo may hold some dozens of classifiers instead of a thousand.
    """

    def __init__(self, features: Sequence[str], pools: Sequence[str], hidden: int) -> None:
        super().__init__()
        self.features, self.pools, self.hidden = tuple(features), tuple(pools), hidden
        width = len(self.features)
        self.encoder = _encoder(width, hidden) if hidden else nn.Identity()
        self.last = nn.Linear((hidden or width) * len(self.pools), 1)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, sets: Float[Tensor, "n s f"]) -> Float[Tensor, " n"]:
        """Calibrated logits: positive for trojaned."""
        encoded = self.encoder((sets - self.get_buffer("mean")) / self.get_buffer("scale"))
        pooled = torch.cat([_POOLS[each](encoded) for each in self.pools], dim=1)
        logits = self.last(pooled)[:, 0] / self.get_buffer("temperature")
        bounded: Tensor = _SPAN * torch.tanh(logits / _SPAN)
        return bounded


def _encoder(width: int, hidden: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())


def write_set_classifier(
    path: Path, model: SetClassifier, provenance: Mapping[str, object], settings: FitSettings
) -> None:
    """Stores a fit with where it comes from, as safetensors with JSON among its metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {**provenance, "fit": asdict(settings)}
    tensors = {name: each.contiguous() for name, each in model.state_dict().items()}
    save_file(tensors, path, {"provenance": json.dumps(told)})


def read_set_classifier(path: Path) -> SetClassifier:
    """A stored fit.

    Raises:
        ValueError: If there is no such file or it holds something else.
    """
    try:
        told = read_provenance(path)["fit"]
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if not isinstance(told, dict):
            raise TypeError("its provenance has no settings")
        model = SetClassifier(told["features"], told["pools"], told["hidden"])
        model.load_state_dict(tensors)
    except (OSError, SafetensorError, KeyError, TypeError, RuntimeError) as error:
        why = f"without {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(
            f"scanner.classifier={path} holds no classifier of classifiers ({why}); "
            "fit one with task=fit scanner=sri_cls"
        ) from error
    return model.requires_grad_(False).eval()


def read_provenance(path: Path) -> dict[str, object]:
    """What a stored fit was fitted on, and how.

    Raises:
        OSError, SafetensorError, KeyError: If there is no such file or it holds something else.
    """
    with safe_open(path, framework="pt") as file:
        told: dict[str, object] = json.loads((file.metadata() or {})["provenance"])
    return told
