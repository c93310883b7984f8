"""SRI's classifier of classifiers: from what its triggers look like to how likely a trojan is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from exray.scanners.checks import require_count

_SPAN = 8.0  # logits lie within plus and minus this, as in the released code
_TEMPERATURES = torch.logspace(-0.5, 1.5, 200)  # tried for calibration


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How the classifier of classifiers is fitted.

    Args:
        hidden: Units of each layer.
        epochs: Adam steps, each over all classifiers.
        learning_rate: Adam's.
        weight_decay: Adam's.
        folds: Parts of the zoo; each is scored once by a fit that did not see it.
        seed: Of the first weights.

    Raises:
        ValueError: If a count is not positive or there are fewer than two folds.
    """

    hidden: int
    epochs: int
    learning_rate: float
    weight_decay: float
    folds: int
    seed: int

    def __post_init__(self) -> None:
        for name in ("hidden", "epochs"):
            require_count(f"fit.{name}", getattr(self, name))
        if self.folds < 2:
            raise ValueError(f"scanner.fit.folds must be >= 2; got {self.folds}")


class SetClassifier(nn.Module):
    """A logit for each classifier from a set of triggers for each shape of trigger.

    Each trigger's features go through an encoder of their shape; the mean over a classifier's
    triggers does not depend on their order or number. The means side by side give the logit.

    Args:
        widths: Features of a trigger, for each shape.
        hidden: Units of each layer.

    Source: SRI, ``mlp_set_color_v2xy.py`` (facts, section 4). *Differs from the released code:*
    features are scaled to mean 0 and deviation 1 over the training zoo instead of by hand.
    """

    def __init__(self, widths: Sequence[int], hidden: int) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(
            nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
            for width in widths
        )
        self.last = nn.Linear(hidden * len(widths), 1)
        for place, width in enumerate(widths):
            self.register_buffer(f"mean_{place}", torch.zeros(width))
            self.register_buffer(f"scale_{place}", torch.ones(width))
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, sets: Sequence[Float[Tensor, "n s _"]]) -> Float[Tensor, " n"]:
        """Calibrated logits: positive for trojaned."""
        pooled = [
            encoder((each - self.get_buffer(f"mean_{place}")) / self.get_buffer(f"scale_{place}"))
            for place, (encoder, each) in enumerate(zip(self.encoders, sets, strict=True))
        ]
        logits = self.last(torch.cat([each.mean(dim=1) for each in pooled], dim=1))[:, 0]
        bounded: Tensor = _SPAN * torch.tanh(logits / _SPAN) / self.get_buffer("temperature")
        return bounded

    @property
    def widths(self) -> tuple[int, ...]:
        """Features of a trigger, for each shape."""
        shapes = range(len(self.encoders))
        return tuple(self.get_buffer(f"mean_{place}").numel() for place in shapes)


def fitted(
    sets: Sequence[Float[Tensor, "n s _"]], is_trojaned: Bool[Tensor, " n"], settings: FitSettings
) -> tuple[SetClassifier, Float[Tensor, " n"]]:
    """A fit on all classifiers, and each one's logit from a fit that did not see it.

    The temperature minimises the cross-entropy of the unseen logits.

    Args:
        sets: Features of the classifiers' triggers, for each shape.
        is_trojaned: The truth.
        settings: How.

    Raises:
        ValueError: If there are fewer classifiers of either kind than folds.
    """
    least = int(min(is_trojaned.sum(), (~is_trojaned).sum()))
    if least < settings.folds:
        raise ValueError(
            f"scanner.fit.folds={settings.folds} needs as many clean and as many trojaned "
            f"classifiers; got {least} of one kind"
        )
    # Both kinds take turns, so that every fold holds both.
    turns = torch.zeros(len(is_trojaned), dtype=torch.long)
    for kind in (False, True):
        places = (is_trojaned == kind).nonzero()[:, 0]
        turns[places] = torch.arange(len(places)) % settings.folds
    unseen = torch.zeros(len(is_trojaned))
    for fold in range(settings.folds):
        seen, out = turns != fold, turns == fold
        model = _fit([each[seen] for each in sets], is_trojaned[seen], settings)
        with torch.no_grad():
            unseen[out] = model([each[out] for each in sets])
    truth = is_trojaned.float().expand(len(_TEMPERATURES), -1)
    losses = F.binary_cross_entropy_with_logits(
        unseen / _TEMPERATURES[:, None], truth, reduction="none"
    )
    temperature = _TEMPERATURES[losses.mean(dim=1).argmin()]
    model = _fit(sets, is_trojaned, settings)
    model.get_buffer("temperature").fill_(float(temperature))
    return model, unseen / temperature


def _fit(
    sets: Sequence[Float[Tensor, "n s _"]], is_trojaned: Bool[Tensor, " n"], settings: FitSettings
) -> SetClassifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = SetClassifier([each.shape[2] for each in sets], settings.hidden)
    for place, each in enumerate(sets):
        deviation, mean = torch.std_mean(each.flatten(0, 1), dim=0)
        model.get_buffer(f"mean_{place}").copy_(mean)
        model.get_buffer(f"scale_{place}").copy_(deviation.clamp(min=1e-6))
    adam = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    for _ in range(settings.epochs):
        loss = F.binary_cross_entropy_with_logits(model(sets), is_trojaned.float())
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
    return model.requires_grad_(False).eval()


def write_set_classifier(
    path: Path, model: SetClassifier, provenance: Mapping[str, object], settings: FitSettings
) -> None:
    """Stores a fit with where it comes from, as safetensors with JSON among its metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {**provenance, "fit": asdict(settings)}
    described = {"provenance": json.dumps(told), "hidden": str(settings.hidden)}
    save_file(
        {name: each.contiguous() for name, each in model.state_dict().items()}, path, described
    )


def read_set_classifier(path: Path) -> SetClassifier:
    """A stored fit.

    Raises:
        ValueError: If there is no such file or it holds something else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            hidden = int((file.metadata() or {})["hidden"])
        widths = [len(tensors[f"mean_{place}"]) for place in range(len(tensors))
                  if f"mean_{place}" in tensors]  # fmt: skip
        model = SetClassifier(widths, hidden)
        model.load_state_dict(tensors)
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise ValueError(
            f"scanner.classifier={path} holds no classifier of classifiers ({error}); "
            "fit one with task=fit scanner=sri_cls"
        ) from error
    return model.requires_grad_(False).eval()
