"""What a trigger does to images that it was not inverted on."""

from collections.abc import Mapping, Sequence

from jaxtyping import Bool, Float
from scipy.stats import beta
from torch import Tensor

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.strength import capped
from exray.scanners.portfolio.scene import Scene, leads_of, rows_of
from exray.triggers.base import InvertedTrigger, Trigger
from exray.triggers.patch import PatchTrigger

CONFIDENCE = 0.95  # of the lower bound on an ASR, one-sided
_SHIFTS = (-1 / 8, 0.0, 1 / 8)  # of the image's sides, by which a patch is moved
_SMALL = 0.5  # share of the image up to which a patch can be moved
_FLIPPED = 0.5  # share of a class's images from which the class counts as flipped


def described(
    trigger: Trigger,
    scene: Scene,
    candidate: Candidate,
    *,
    source: str,
    measurements: Mapping[str, float],
) -> InvertedTrigger:
    """A trigger with its effects on held-out images, under the victim that it flips most.

    Its ASR is that of all its victims' held-out images together.

    Args:
        trigger: The hardened trigger.
        scene: The classifier and its images.
        candidate: Its victims and target.
        source: Name of the search.
        measurements: What the search measured.
    """
    logits = scene.classifier.predict(trigger.apply(scene.held_out.images))
    leads = leads_of(logits, candidate.target)
    by_victim = {
        victim: float(capped(leads[scene.held_out.labels == victim]).mean())
        for victim in candidate.victims
    }
    rows = rows_of(scene.held_out, candidate.victims)
    asr = float((leads[rows] > 0).double().mean())
    measured = effects(
        trigger,
        scene.classifier,
        scene.held_out,
        leads,
        victims=candidate.victims,
        target=candidate.target,
    ) | _against_clean(scene, logits, candidate, rows)
    return InvertedTrigger(
        trigger=trigger,
        victim_class=max(by_victim, key=lambda victim: by_victim[victim]),
        target_class=candidate.target,
        asr=asr,
        target_probability=float(logits[rows].softmax(dim=1)[:, candidate.target].mean()),
        source=source,
        measurements={**measurements, **measured},
    )


def _against_clean(
    scene: Scene,
    logits: Float[Tensor, "n k"],
    candidate: Candidate,
    is_victim: Bool[Tensor, " n"],
) -> dict[str, float]:
    """What the trigger changes, set against the same held-out images without it.

    ``lift`` is by how much it raises the victims' mean capped lead: look-alike classes are close as
    they are. ``disruption`` is the share of the images of classes that are neither victim nor
    target whose prediction it changes, to whatever class; left out where there are none.
    """
    clean = scene.clean_logits
    before = capped(leads_of(clean[is_victim], candidate.target))
    after = capped(leads_of(logits[is_victim], candidate.target))
    measured = {"lift": float((after - before).mean())}
    is_other = ~is_victim & (scene.held_out.labels != candidate.target)
    if bool(is_other.any()):
        changed = logits[is_other].argmax(dim=1) != clean[is_other].argmax(dim=1)
        measured["disruption"] = float(changed.float().mean())
    return measured


def success_bound(hits: int, count: int) -> float:
    """Lower bound on a success rate by Clopper and Pearson, one-sided, at 95 % confidence.

    Args:
        hits: Successes.
        count: Trials.

    Example:
        >>> round(success_bound(5, 5), 3), success_bound(0, 5)
        (0.549, 0.0)
    """
    if not hits:
        return 0.0
    return float(beta.ppf(1 - CONFIDENCE, hits, count - hits + 1))


def effects(
    trigger: Trigger,
    classifier: Classifier,
    held_out: SampleSet,
    leads: Float[Tensor, " n"],
    *,
    victims: Sequence[int],
    target: int,
) -> dict[str, float]:
    """Success and reach of a trigger on held-out images, by name.

    ``asr_lower`` is the lower bound on its ASR and ``num_held_out`` the number of the victims'
    images; ``strength`` is their mean capped lead. ``universality`` is the share of all classes but
    the target of which at least half of the images go to the target; ``other_strength`` is the mean
    capped lead of those that are not among the victims, and ``shifted_strength`` the victims' where
    a patch is moved by an eighth of the image in eight directions. Either is left out where there
    is no such thing.

    Args:
        trigger: The hardened trigger.
        classifier: The classifier under scan, tempered.
        held_out: Clean images.
        leads: The target's lead on each of them with the trigger.
        victims: Classes that it was inverted for.
        target: Their target.
    """
    is_victim = rows_of(held_out, victims)
    hits, count = int((leads[is_victim] > 0).sum()), int(is_victim.sum())
    measured = {
        "asr_lower": success_bound(hits, count),
        "num_held_out": float(count),
        "strength": float(capped(leads[is_victim]).mean()),
        "universality": _universality(leads, held_out, target),
    }
    is_other = ~is_victim & (held_out.labels != target)
    if bool(is_other.any()):
        measured["other_strength"] = float(capped(leads[is_other]).mean())
    if isinstance(trigger, PatchTrigger) and trigger.size_pixels < _SMALL * trigger.mask.numel():
        images = held_out.images[is_victim]
        measured["shifted_strength"] = _shifted(trigger, classifier, images, target)
    return measured


def _universality(leads: Float[Tensor, " n"], held_out: SampleSet, target: int) -> float:
    """Share of the classes but the target that are mostly flipped to it."""
    others = [index for index, images in enumerate(held_out.counts()) if images and index != target]
    flipped = [float((leads[held_out.labels == index] > 0).float().mean()) for index in others]
    return sum(share >= _FLIPPED for share in flipped) / len(others)


def _shifted(
    trigger: PatchTrigger, classifier: Classifier, images: Float[Tensor, "n c h w"], target: int
) -> float:
    """Mean capped lead with the patch moved."""
    height, width = images.shape[-2:]
    strengths = []
    for down in (round(share * height) for share in _SHIFTS):
        for right in (round(share * width) for share in _SHIFTS):
            if (down, right) == (0, 0):
                continue
            moved = PatchTrigger(
                mask=trigger.mask.roll((down, right), dims=(0, 1)),
                pattern=trigger.pattern.roll((down, right), dims=(1, 2)),
            )
            leads = leads_of(classifier.predict(moved.apply(images)), target)
            strengths.append(float(capped(leads).mean()))
    return sum(strengths) / max(len(strengths), 1)
