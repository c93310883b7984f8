"""What all searches of one scan share: the cut classifier, and images to search and to measure."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.base import Progress
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.strength import capped
from exray.scanners.validation import present_classes
from exray.triggers.base import Trigger

_LEAST = 6  # images of a class from which some are held out
_QUICK = 60  # images of all classes on which candidates are compared


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """One classifier and its images.

    Args:
        split: The classifier, cut anywhere: only its logits count.
        search: Images that triggers are inverted on.
        held_out: Images that they are measured on; the same where a class has fewer than six.
        present: Classes that have images, in an order that does not follow from their indices.
        on_step: Called after each step.
        progress: Called with the name of what comes before the steps, the passes done and in all;
            None for no reports.
    """

    split: SplitClassifier
    search: SampleSet
    held_out: SampleSet
    present: tuple[int, ...]
    on_step: Callable[[], None]
    progress: Progress | None = None
    quick: SampleSet = field(init=False)  # a few of the held-out images of each class
    shared: dict[Hashable, object] = field(default_factory=dict)  # what searches share, by key

    def __post_init__(self) -> None:
        per_class = max(1, _QUICK // len(self.present))
        object.__setattr__(self, "quick", self.held_out.limited(per_class))

    @classmethod
    def of(
        cls,
        classifier: Classifier,
        samples: SampleSet,
        *,
        layer: str,
        on_step: Callable[[], None],
        progress: Progress | None = None,
    ) -> "Scene":
        """The scene of a classifier; every second image of a class is held out.

        Args:
            classifier: What is scanned, tempered.
            samples: Clean images.
            layer: Where the classifier is cut.
            on_step: Called after each step.
            progress: Called for what comes before the steps.
        """
        search, held_out = divided(samples)
        return cls(
            split=SplitClassifier.of(classifier, layer, samples.images),
            search=search,
            held_out=held_out,
            present=_in_content_order(samples),
            on_step=on_step,
            progress=progress,
        )

    @property
    def classifier(self) -> Classifier:
        """The classifier."""
        return self.split.classifier

    @property
    def clean_logits(self) -> Float[Tensor, "n k"]:
        """Of the held-out images as they are, computed once."""
        known = self.shared.get("clean logits")
        if not isinstance(known, Tensor):
            known = self.classifier.predict(self.held_out.images)
            self.shared["clean logits"] = known
        return known

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.search.images.shape[-2:]
        return height, width

    def quick_success(self, trigger: Trigger, candidate: Candidate) -> tuple[float, float]:
        """Strength and ASR of a trigger on a few held-out images of its victims.

        Args:
            trigger: The hardened trigger.
            candidate: Its victims and target.
        """
        images = self.quick.images[rows_of(self.quick, candidate.victims)]
        leads = leads_of(self.classifier.predict(trigger.apply(images)), candidate.target)
        return float(capped(leads).mean()), float((leads > 0).float().mean())

    def quick_strengths(self, trigger: Trigger, candidate: Candidate) -> dict[int, float]:
        """Strength of a trigger on each of its victims, on a few images that it was inverted on.

        Args:
            trigger: The hardened trigger.
            candidate: Its victims and target.
        """
        samples = self.search.limited(max(1, _QUICK // len(self.present)))
        stamped = trigger.apply(samples.images)
        values = capped(leads_of(self.classifier.predict(stamped), candidate.target))
        return {
            victim: float(values[samples.labels == victim].mean()) for victim in candidate.victims
        }


def _in_content_order(samples: SampleSet) -> tuple[int, ...]:
    """The classes that have images, darkest first, so that renumbering them changes no search."""
    means = {index: samples.of_class(index).double().mean() for index in present_classes(samples)}
    return tuple(sorted(means, key=lambda index: float(means[index])))


def leads_of(logits: Float[Tensor, "n k"], target: int) -> Float[Tensor, " n"]:
    """One class's logit minus the highest other one.

    Example:
        >>> leads_of(torch.tensor([[1.0, 3.0, 2.0]]), 1)
        tensor([1.])
    """
    others = logits.clone()
    others[:, target] = -torch.inf
    return logits[:, target] - others.amax(dim=1)


def divided(samples: SampleSet) -> tuple[SampleSet, SampleSet]:
    """Images to search on and images to measure on: every second of a class that has six.

    Args:
        samples: Clean images.

    Example:
        >>> samples = SampleSet(
        ...     images=torch.zeros(8, 3, 1, 1),
        ...     labels=torch.tensor([0, 0, 0, 0, 0, 0, 1, 1]),
        ...     class_names=("a", "b"),
        ... )
        >>> [half.counts() for half in divided(samples)]
        [[3, 2], [3, 2]]
    """
    measured = torch.zeros_like(samples.labels, dtype=torch.bool)
    searched = torch.ones_like(measured)
    for index, count in enumerate(samples.counts()):
        places = (samples.labels == index).nonzero().flatten()
        if count < _LEAST:
            measured[places] = True
        else:
            measured[places[1::2]] = True
            searched[places[1::2]] = False
    return samples.select(searched), samples.select(measured)


def rows_of(samples: SampleSet, classes: Sequence[int]) -> Bool[Tensor, " n"]:
    """Which images are of some classes.

    Args:
        samples: The images.
        classes: The classes.
    """
    return torch.isin(samples.labels, samples.labels.new_tensor(list(classes)))
