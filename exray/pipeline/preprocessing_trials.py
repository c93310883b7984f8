"""Other ways to read the clean images, tried where a classifier gets them wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from exray.images.class_order import CLASS_ORDERS, classes_of_numbers
from exray.images.geometry import Geometry, ImageFiles
from exray.images.interpolation import INTERPOLATIONS
from exray.images.samples import SampleSet
from exray.models.batch_statistics import has_batch_norms, with_image_statistics
from exray.models.classifier import LAYOUTS, Channels, Classifier, Preprocessing
from exray.pipeline.setting_change import SettingChange, advice, preprocessing_changes

NUM_IMAGES = 100  # on which each way is tried; one image of ResNet-50 takes 50 ms on a core
_CLEAR_GAIN = 0.2  # of accuracy; a smaller one may be chance
_CLEAR_HITS = 5  # images that have to become right for the same reason
_ALIKE = 0.02  # accuracies that differ by less count as equal
_RESTORED = 0.1  # of accuracy, by which batch statistics must be better than a preprocessing
_PER_CLASS = 8  # images, where classes are matched with predictions
_MIN_PER_CLASS = 4  # likewise: half of them are held out
_CROP_SHARES = (0.875, 0.9, 1.0)  # of the resized side, as torchvision and timm cut
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CIFAR10 = ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616))
_CIFAR100 = ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761))
_CAFFE = (103.939, 116.779, 123.68)  # blue, green and red of ImageNet, at 0 to 255
_OF_COLOURS = (
    Preprocessing(),
    Preprocessing(scaling="byte"),
    Preprocessing(mean=(0.5,) * 3, std=(0.5,) * 3),
    *(Preprocessing(mean=mean, std=std) for mean, std in (_IMAGENET, _CIFAR10, _CIFAR100)),
    Preprocessing(scaling="min_max"),
)
_OF_GREY = (
    Preprocessing(),
    Preprocessing(scaling="byte"),
    Preprocessing(mean=(0.5,), std=(0.5,)),
    Preprocessing(mean=(0.1307,), std=(0.3081,)),  # MNIST's
    Preprocessing(scaling="min_max"),
)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One way to read the images.

    Args:
        changes: The settings that make it; none for the way they were read.
        accuracy: On the images it was tried on, a fraction.
        num_images: How many these were.
        confidence: Mean log-probability of the images' classes, by which equal ways are told apart.
        preprocessing: The whole preprocessing that it is.
        classes: Where no setting numbers the classes so, the network's class of each of the
            images' classes.
    """

    changes: tuple[SettingChange, ...]
    accuracy: float
    num_images: int
    confidence: float
    preprocessing: Preprocessing
    classes: tuple[int, ...] = ()

    @property
    def rank(self) -> tuple[int, int, float]:
        """Larger for the better of two trials; fewer changes go before a few images more.

        The images' own batch statistics make up for wrong means and stds, too: they come last.
        """
        restored = any(change.name == "batch_statistics" for change in self.changes)
        accuracy = self.accuracy - (_RESTORED if restored else 0)
        return round(accuracy / _ALIKE), -self._cost, self.confidence

    @property
    def _cost(self) -> int:
        return len(self.changes) + 2 * bool(self.classes)

    def equals(self, other: "Trial") -> bool:
        """Whether another trial is neither better nor worse, nor simpler.

        Args:
            other: The other one.
        """
        return self.rank[:2] == other.rank[:2]

    @property
    def text(self) -> str:
        """The way as a person says it."""
        said = [change.text for change in self.changes]
        return ", ".join([*said, *(["the classes numbered otherwise"] if self.classes else [])])

    def advice(self, class_names: Sequence[str]) -> str:
        """What to do to have the images read so.

        Args:
            class_names: Of the images.
        """
        said = [advice(self.changes, self.preprocessing)] if self.changes else []
        if self.classes:
            pairs = ", ".join(
                f'"{name}": {index}' for name, index in zip(class_names, self.classes, strict=False)
            )
            said.append(f"number the images' classes as the network does: {{{pairs}}}")
        return ", and ".join(said)

    def to_dict(self) -> dict[str, str | int | float]:
        """Plain values, as records store them."""
        values: dict[str, str | int | float] = {
            "settings": " ".join(change.override for change in self.changes),
            "accuracy": self.accuracy,
            "num_images": self.num_images,
        }
        return values | ({"classes": ",".join(map(str, self.classes))} if self.classes else {})


def preprocessing_trials(
    classifier: Classifier, samples: SampleSet, *, files: ImageFiles | None = None
) -> tuple[Trial, ...]:
    """Ways to read the images that newcomers most often miss, by the accuracy they give.

    Orders of channels and axes, scalings and statistics, each with the orders in which folders may
    be counted; batch norms with the images' own statistics; other sizes, crops and interpolations;
    and predictions that are right but for the numbers of the classes. Nothing is changed.

    Args:
        classifier: As it was loaded.
        samples: Its clean images, on its device.
        files: Where they can be read again; None where they come from memory.

    Returns:
        The trials, best first, and among them the way the images were read.
    """
    few = _spread(samples)
    now = classifier.preprocessing
    trials = [_trial(classifier, few, other, ()) for other in _candidates(now)]
    if has_batch_norms(classifier.network):
        change = SettingChange(name="batch_statistics", value="images")
        other = with_image_statistics(classifier, samples.images)
        trials.append(_trial(other, few, now, (change,)))
    best = max((trial for trial in trials if trial), key=lambda trial: trial.rank, default=None)
    if files is not None:
        chosen = now if best is None else best.preprocessing
        trials += _geometry_trials(classifier, chosen, samples, files)
    trials.append(_matched(classifier, samples))
    return tuple(sorted((t for t in trials if t), key=lambda trial: trial.rank, reverse=True))


def clear_winner(trials: Sequence[Trial], *, at_least: float) -> Trial | None:
    """The best trial, where it is clearly better than the way the images were read.

    Args:
        trials: Best first, as :func:`preprocessing_trials` gives them.
        at_least: The accuracy that it must have.

    Example:
        >>> as_read, other = (
        ...     Trial(changes=changes, accuracy=share, num_images=50, confidence=0.0,
        ...         preprocessing=Preprocessing())
        ...     for changes, share in [((), 0.1), ((SettingChange(name="a", value=1),), 0.9)])
        >>> clear_winner([other, as_read], at_least=0.5) is other
        True
        >>> clear_winner([other, as_read], at_least=0.95)
    """
    before = next((trial.accuracy for trial in trials if not trial.text), 0.0)
    best = trials[0] if trials else None
    if best is None or best.accuracy < at_least:
        return None
    gain = best.accuracy - before
    return best if gain >= _CLEAR_GAIN and gain * best.num_images >= _CLEAR_HITS else None


def _spread(samples: SampleSet) -> SampleSet:
    """At most so many of the images, evenly over all of them."""
    keep = torch.zeros(len(samples), dtype=torch.bool)
    keep[torch.linspace(0, len(samples) - 1, min(NUM_IMAGES, len(samples))).round().long()] = True
    return samples.select(keep)


def _candidates(now: Preprocessing) -> Iterator[Preprocessing]:
    """The preprocessings to try, the present one first, each once."""
    orders: tuple[Channels, ...] = (now.channels,)
    if now.channels in ("auto", "rgb", "bgr"):
        orders = (now.channels, "auto" if now.channels == "bgr" else "bgr")
    known = _OF_GREY if now.channels == "grey" else _OF_COLOURS
    tried = [
        replace(other, channels=channels, layout=layout)
        for layout in (now.layout, *(layout for layout in LAYOUTS if layout != now.layout))
        for channels in orders
        for other in (now, *known)
    ]
    if now.channels != "grey":
        caffe = Preprocessing(scaling="byte", mean=_CAFFE, channels="bgr", layout=now.layout)
        tried.append(caffe)
    yield from dict.fromkeys(tried)


@torch.no_grad()
def _trial(
    classifier: Classifier,
    samples: SampleSet,
    preprocessing: Preprocessing,
    changes: tuple[SettingChange, ...],
) -> Trial | None:
    """The images read in one way, with the best of all orders of the classes; None if it fails."""
    try:
        logits = classifier.preprocessed(preprocessing).predict(samples.images)
    except torch.OutOfMemoryError:
        raise
    except Exception:  # a stranger's forward may raise anything for images that it does not take
        return None
    if not logits.isfinite().all():
        return None
    of_preprocessing = preprocessing_changes(classifier.preprocessing, preprocessing)
    trials = []
    for order in CLASS_ORDERS:
        classes = classes_of_numbers(order, classifier.num_classes).to(samples.labels.device)
        labels = classes[samples.labels]
        if (labels < 0).any():
            continue
        of_order = () if order == "index" else (SettingChange(name="class_order", value=order),)
        hits = logits.argmax(dim=1) == labels
        trials.append(
            Trial(
                changes=(*changes, *of_preprocessing, *of_order),
                accuracy=float(hits.double().mean()),
                num_images=len(labels),
                confidence=_confidence(logits, labels),
                preprocessing=preprocessing,
            )
        )
    return max(trials, key=lambda trial: trial.rank)


def _confidence(logits: Float[Tensor, "n k"], labels: Tensor) -> float:
    return float(logits.double().log_softmax(dim=1).gather(1, labels[:, None]).mean())


def _geometry_trials(
    classifier: Classifier, preprocessing: Preprocessing, samples: SampleSet, files: ImageFiles
) -> Iterator[Trial | None]:
    """The images read again in other sizes, crops and interpolations."""
    side = samples.images.shape[-1]
    now = files.geometry
    tried = [replace(now, size=side, crop=None)]
    tried += [replace(now, size=round(side / share), crop=side) for share in _CROP_SHARES]
    if now.size is not None:
        tried += [replace(now, interpolation=other) for other in INTERPOLATIONS]
    for geometry in dict.fromkeys(tried):
        if geometry == now:
            continue
        try:
            again = files.read(geometry).to(samples.images.device)
        except ValueError:  # an image that is smaller than the crop
            continue
        if again.images.shape[1:] == samples.images.shape[1:]:
            changes = _geometry_changes(now, geometry)
            yield _trial(classifier, _spread(again), preprocessing, changes)


def _geometry_changes(old: Geometry, new: Geometry) -> tuple[SettingChange, ...]:
    pairs = (
        (name, getattr(new, name))
        for name in ("size", "crop", "interpolation")
        if getattr(new, name) != getattr(old, name)
    )
    return tuple(SettingChange(name=name, value=value) for name, value in pairs)


@torch.no_grad()
def _matched(classifier: Classifier, samples: SampleSet) -> Trial | None:
    """The images as they were read, right but for the numbers of their classes.

    Each class is given the network's class that most of half its images are predicted as, one to
    one; the accuracy is that on the other half. None where classes have too few images for that,
    or the numbers are the network's own.
    """
    few = samples.limited(_PER_CLASS)
    if min(count for count in few.counts() if count) < _MIN_PER_CLASS:
        return None
    predicted = classifier.predict(few.images).argmax(dim=1).cpu()
    labels = few.labels.cpu()
    held_out = torch.arange(len(labels)) % 2 == 1
    count = classifier.num_classes
    confusion = torch.zeros(count, count)
    shown = ~held_out
    ones = torch.ones(int(shown.sum()))
    confusion.index_put_((labels[shown], predicted[shown]), ones, accumulate=True)
    classes = torch.as_tensor(linear_sum_assignment(confusion.numpy(), maximize=True)[1])
    if torch.equal(classes, torch.arange(count)):
        return None
    hits = predicted[held_out] == classes[labels[held_out]]
    return Trial(
        changes=(),
        accuracy=float(hits.double().mean()),
        num_images=len(hits),
        confidence=0.0,
        preprocessing=classifier.preprocessing,
        classes=tuple(classes.tolist()),
    )
