"""Fits SRI's classifier of classifiers, and tells how it does on classifiers it did not see."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from exray.scanners.sri.set_classifier import FitSettings, SetClassifier

_TEMPERATURES = torch.logspace(-0.5, 1.5, 200)  # tried for calibration


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A fit on all classifiers, and how fits like it do.

    Args:
        model: The fit on all.
        left_out: Of each repeat, each classifier's logit from a fit that did not see it; the
            temperature is the one number that was chosen on them all.
    """

    model: SetClassifier
    left_out: Float[Tensor, "repeats n"]


def fitted(
    sets: Float[Tensor, "n s f"], is_trojaned: Bool[Tensor, " n"], settings: FitSettings
) -> Fitted:
    """A fit on all classifiers, with each one's logits from fits that did not see it.

    The temperature minimises the cross-entropy of the logits of all repeats' unseen classifiers.

    Args:
        sets: Features of the classifiers' triggers, in the order of ``settings.features``.
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
    unseen = torch.zeros(settings.repeats, len(is_trojaned))
    for repeat in range(settings.repeats):
        turns = _turns(is_trojaned, settings, repeat)
        for fold in range(settings.folds):
            seen, out = turns != fold, turns == fold
            unseen[repeat, out] = _fit(sets[seen], is_trojaned[seen], settings)(sets[out])
    temperature = _temperature(unseen, is_trojaned)
    model = _fit(sets, is_trojaned, settings)
    model.get_buffer("temperature").fill_(temperature)
    return Fitted(model=model, left_out=unseen / temperature)


def _turns(
    is_trojaned: Bool[Tensor, " n"], settings: FitSettings, repeat: int
) -> Int[Tensor, " n"]:
    """Each classifier's fold; both kinds take turns, so that every fold holds both."""
    stream = torch.Generator().manual_seed(settings.seed + repeat)
    turns = torch.zeros(len(is_trojaned), dtype=torch.long)
    for kind in (False, True):
        places = (is_trojaned == kind).nonzero()[:, 0]
        places = places[torch.randperm(len(places), generator=stream)]
        turns[places] = torch.arange(len(places)) % settings.folds
    return turns


def _temperature(logits: Float[Tensor, "repeats n"], is_trojaned: Bool[Tensor, " n"]) -> float:
    """What logits are best divided by."""
    tried = logits / _TEMPERATURES[:, None, None]
    truth = is_trojaned.float().expand_as(tried)
    losses = F.binary_cross_entropy_with_logits(tried, truth, reduction="none")
    return float(_TEMPERATURES[losses.mean(dim=(1, 2)).argmin()])


def _fit(
    sets: Float[Tensor, "n s f"], is_trojaned: Bool[Tensor, " n"], settings: FitSettings
) -> SetClassifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = SetClassifier(settings.features, settings.pools, settings.hidden)
    deviation, mean = torch.std_mean(sets.flatten(0, 1), dim=0)
    model.get_buffer("mean").copy_(mean)
    model.get_buffer("scale").copy_(deviation.clamp(min=1e-6))
    weights = [each for name, each in model.named_parameters() if name.endswith("weight")]
    solver = torch.optim.LBFGS(
        model.parameters(), max_iter=settings.steps, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        solver.zero_grad()
        squares = torch.stack([each.square().sum() for each in weights]).sum()
        misses = F.binary_cross_entropy_with_logits(model(sets), is_trojaned.float())
        whole: Tensor = misses + settings.penalty * squares
        whole.backward()  # type: ignore[no-untyped-call]
        return whole

    solver.step(loss)  # type: ignore[no-untyped-call]
    return model.requires_grad_(False).eval()
