"""Inverts patch triggers for many (victim, target) pairs in one batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from exray.models.splitting import SplitClassifier
from exray.scanners.probe import Start, best_starts
from exray.scanners.stimulation import Candidate
from exray.tensors import derive_seed, generator

_INSIDE, _OUTSIDE = 2.0, -4.0  # start of the mask's logits within and outside the first square
_COUNTED = 0.01  # opacity from which a pixel counts towards the bound while optimising
_HARD = 0.1  # opacity from which a pixel is part of the hardened trigger
_LOGIT_WEIGHT = 20.0  # of the mean logit lead, against 1 for the mask's sum


@dataclass(frozen=True, kw_only=True)
class InversionSettings:
    """How patches are inverted.

    Args:
        max_size_share: Bound on the trigger's size as a share of the image's area.
        pattern: ``colour`` for one colour a trigger, ``free`` for one a pixel.
        learning_rate: Adam's, for mask and pattern.
        noise: Greatest change of a pixel by the noise added in each step.
        neuron_weight: Weight of the stimulated channel's mean activation.
        probe_images: Images of each victim on which coloured squares are tried as starts.
        seed: Of noise.

    Raises:
        ValueError: If a number is out of its range.
    """

    max_size_share: float
    pattern: Literal["colour", "free"]
    learning_rate: float
    noise: float
    neuron_weight: float
    probe_images: int
    seed: int

    def __post_init__(self) -> None:
        if isinstance(self.max_size_share, str) or not 0 < self.max_size_share < 1:
            raise ValueError(
                "scanner.inversion.max_size_share must lie in (0, 1), a share of the image; "
                f"got {self.max_size_share!r}"
            )
        if self.pattern not in ("colour", "free"):
            raise ValueError(
                f"scanner.inversion.pattern must be colour or free; got {self.pattern!r}"
            )
        if isinstance(self.learning_rate, str) or not self.learning_rate > 0:
            raise ValueError(
                f"scanner.inversion.learning_rate must be positive; got {self.learning_rate!r}"
            )


@dataclass(frozen=True, kw_only=True)
class Patches:
    """One mask and pattern per candidate, with the best it reached.

    Args:
        masks: Opacity per pixel, in [0, 1].
        patterns: RGB per pixel, in [0, 1].
        asr: Attack success rate on the images of the last measurement, a fraction.
        target_probability: Mean probability of the target on them.
    """

    masks: Float[Tensor, "pairs 1 h w"]
    patterns: Float[Tensor, "pairs 3 h w"]
    asr: Float[Tensor, " pairs"]
    target_probability: Float[Tensor, " pairs"]


class PatchInversion:
    """Optimises one mask and pattern for each candidate; a candidate never sees its batch mates.

    Within the size bound the target's logit lead is maximised: the released code's ``100 *
    target logit`` with its size penalty. The best patch *within the bound* is kept, by ASR and
    then by the target's probability, and can be taken up again with other images.

    Args:
        split: The classifier, cut at the stimulated layer.
        candidates: Victim, target and channel of each.
        images: Victim images by class.
        settings: The optimisation's numbers.

    Source: ABS, TrojAI rounds 2 to 4 (facts, section 2.2). *Differs from the released code:* which
    starts in the centre from a random colour.
    """

    def __init__(
        self,
        split: SplitClassifier,
        candidates: Sequence[Candidate],
        images: dict[int, Float[Tensor, "n 3 h w"]],
        settings: InversionSettings,
    ) -> None:
        self.split = split
        self.candidates = tuple(candidates)
        self.images = images
        self.settings = settings
        height, width = next(iter(images.values())).shape[-2:]
        self.bound = settings.max_size_share * height * width
        side = max(1, int(0.8 * self.bound**0.5))
        starts = best_starts(split, candidates, images, side=side, num_images=settings.probe_images)
        self.mask_logits = self._first_masks(height, width, starts, side).requires_grad_(True)
        self.pattern_logits = self._first_patterns(height, width, starts).requires_grad_(True)
        self.optimizer = torch.optim.Adam(
            [self.mask_logits, self.pattern_logits], lr=settings.learning_rate, betas=(0.9, 0.999)
        )
        self.best_masks = torch.zeros_like(self.mask_logits)
        self.best_patterns = torch.zeros_like(self.pattern_logits)
        self.best_score = torch.full((len(candidates),), -1.0, device=self.mask_logits.device)
        self.steps_done = 0

    def _first_masks(
        self, height: int, width: int, starts: Sequence[Start], side: int
    ) -> Float[Tensor, "pairs 1 h w"]:
        """An opaque square of 0.8 times the bound's side where the probe worked best."""
        masks = torch.full((len(starts), 1, height, width), _OUTSIDE)
        for mask, start in zip(masks, starts, strict=True):
            mask[:, start.top : start.top + side, start.left : start.left + side] = _INSIDE
        return masks.to(self._device)

    def _first_patterns(self, height: int, width: int, starts: Sequence[Start]) -> Tensor:
        """The probe's colours; a free pattern begins with a little noise around them."""
        colours = torch.atanh(2 * torch.tensor([start.colour for start in starts]) - 1)
        patterns = colours[:, :, None, None]
        if self.settings.pattern == "free":
            seeds = [(victim, target) for victim, target, _ in self.candidates]
            noise = [
                torch.randn(3, height, width, generator=generator(self.settings.seed, "noise", *at))
                for at in seeds
            ]
            patterns = patterns + 0.1 * torch.stack(noise)
        return patterns.to(self._device)

    @property
    def _device(self) -> torch.device:
        return next(iter(self.images.values())).device

    def run(
        self,
        steps: int,
        *,
        alive: Int[Tensor, " live"],
        images_per_victim: int,
        on_step: Callable[[], None] | None = None,
    ) -> None:
        """Optimises the candidates in ``alive`` for some steps.

        Args:
            steps: Adam steps.
            alive: Places of the candidates to go on with.
            images_per_victim: Images each candidate sees in a step.
            on_step: Called after each step.
        """
        batch = self._victims(alive, images_per_victim)
        targets = torch.tensor([self.candidates[i][1] for i in alive.tolist()], device=batch.device)
        channels = torch.tensor([self.candidates[i][2] for i in alive.tolist()])
        noise_seed = derive_seed(self.settings.seed, "noise")
        fits = max(1, _pixels_per_call(batch.device) // (batch[0].numel() // 3))
        for _ in range(steps):
            self.optimizer.zero_grad(set_to_none=False)
            stream = torch.Generator().manual_seed(noise_seed + self.steps_done)
            noise = torch.rand(batch.shape[1:], generator=stream).to(batch.device) * 2 - 1
            noise *= self.settings.noise
            for start in range(0, len(alive), fits):
                part = slice(start, start + fits)
                self._add_gradients(batch[part] + noise, targets[part], channels[part], alive[part])
            self.optimizer.step()
            self.steps_done += 1
            if on_step is not None:
                on_step()

    def _victims(self, alive: Int[Tensor, " live"], count: int) -> Float[Tensor, "live m 3 h w"]:
        """The victims' images, gone round again where a class has fewer."""
        rows = []
        for place in alive.tolist():
            images = self.images[self.candidates[place][0]]
            order = torch.arange(count) % len(images)
            rows.append(images[order])
        return torch.stack(rows)

    def _add_gradients(
        self,
        images: Float[Tensor, "live m 3 h w"],
        targets: Int[Tensor, " live"],
        channels: Int[Tensor, " live"],
        alive: Int[Tensor, " live"],
    ) -> None:
        """Adds the loss's gradients of some candidates; keeps their patches if they are best."""
        masks = torch.tanh(self.mask_logits[alive]) / 2 + 0.5
        patterns = torch.tanh(self.pattern_logits[alive]) / 2 + 0.5
        stamped = images * (1 - masks[:, None]) + patterns[:, None] * masks[:, None]
        features = self.split.features(stamped.clamp(0, 1).flatten(0, 1))
        logits = self.split.head(features).view(*images.shape[:2], -1)
        lead = _lead(logits, targets)
        sizes = (masks.detach() > _COUNTED).sum(dim=(1, 2, 3))
        penalty = (sizes > self.bound).float() + (sizes > 1.2 * self.bound).float()
        neuron = features.view(*images.shape[:2], *features.shape[1:])
        rows = torch.arange(len(alive))
        activation = neuron[rows, :, channels].flatten(1).mean(dim=1)
        loss = -_LOGIT_WEIGHT * lead.mean(dim=1) - self.settings.neuron_weight * activation
        loss = loss + penalty * masks.sum(dim=(1, 2, 3))
        self._keep_best(logits.detach(), targets, masks.detach(), patterns.detach(), alive)
        torch.autograd.backward(loss.sum())

    def _keep_best(
        self,
        logits: Float[Tensor, "live m k"],
        targets: Int[Tensor, " live"],
        masks: Float[Tensor, "live 1 h w"],
        patterns: Float[Tensor, "live 3 i j"],
        alive: Int[Tensor, " live"],
    ) -> None:
        """Keeps a candidate's patch if it fits the bound and flips more than any before."""
        asr, probability = _success(logits, targets)
        score = asr + probability  # one more flip outweighs any gain in probability over m images
        fits = (masks > _HARD).sum(dim=(1, 2, 3)) <= self.bound
        better = fits & (score > self.best_score[alive])
        places = alive.to(better.device)[better]
        self.best_score[places] = score[better]
        self.best_masks[places] = masks[better]
        self.best_patterns[places] = patterns[better]

    def forget_scores(self) -> None:
        """Lets patches be measured afresh, since the next images differ from the last."""
        self.best_score.fill_(-1.0)

    @torch.no_grad()
    def measure(self, *, alive: Int[Tensor, " live"], harden: bool) -> list[tuple[float, float]]:
        """ASR and mean target probability of each best patch on *all* images of its victim.

        Args:
            alive: Places of the candidates to measure.
            harden: Whether masks become 0 or 1 first.
        """
        found = []
        for place in alive.tolist():
            victim, target, _ = self.candidates[place]
            mask, pattern = self.patch(place, harden=harden)
            images = self.images[victim] * (1 - mask) + pattern * mask
            logits = self.split.classifier.predict(images)
            asr, probability = _success(
                logits[None].double(), torch.tensor([target], device=logits.device)
            )
            # In float32 nine hits of ten are less than 0.9.
            found.append((float(asr), float(probability)))
        return found

    def patch(self, place: int, *, harden: bool) -> tuple[Tensor, Tensor]:
        """Mask ``h w`` and pattern ``3 h w`` of a candidate's best patch."""
        mask = self.best_masks[place, 0].detach()
        mask = (mask > _HARD).to(mask.dtype) if harden else mask
        return mask, self.best_patterns[place].detach().expand(3, *mask.shape).clone()


def _pixels_per_call(device: torch.device) -> int:
    """Pixels a forward pass takes at once: 128 images of 64 x 64 on a CPU, for its cache."""
    return 1 << 19 if device.type == "cpu" else 1 << 25


def _lead(logits: Float[Tensor, "p m k"], targets: Int[Tensor, " p"]) -> Float[Tensor, "p m"]:
    """The target's logit less the highest other one."""
    where = targets.view(-1, 1, 1).expand(*logits.shape[:2], 1)
    target = logits.gather(2, where)[..., 0]
    others = logits.scatter(2, where, -torch.inf).amax(dim=2)
    return target - others


def _success(
    logits: Float[Tensor, "p m k"], targets: Int[Tensor, " p"]
) -> tuple[Float[Tensor, " p"], Float[Tensor, " p"]]:
    """Share taken for the target, and the target's mean probability."""
    hits = logits.argmax(dim=2) == targets[:, None]
    where = targets.view(-1, 1, 1).expand(*logits.shape[:2], 1)
    probability = logits.softmax(dim=2).gather(2, where)[..., 0]
    return hits.to(logits.dtype).mean(dim=1), probability.mean(dim=1)
