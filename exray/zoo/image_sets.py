"""Which images the classifiers of a zoo are trained, tested and scanned on."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from exray.images.sources.base import ImageSource, Split
from exray.images.sources.signs.classes import sign_classes
from exray.images.sources.signs.generator import SignGenerator
from exray.zoo.scene_recipe import SceneFacts, SceneRecipe

IMAGES = "images"  # under which a manifest's recipe holds the description of the images


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """What decides the images of one classifier.

    Args:
        num_classes: Number of classes.
        family_size: Classes a look-alike family holds; means nothing to photographs.
        image_size: Height and width in pixels.
        seed: The classifier's.
    """

    num_classes: int
    family_size: int
    image_size: int
    seed: int


class ZooImages(ABC):
    """The images of a zoo's classifiers. Built once, handed to every process that trains."""

    @abstractmethod
    def of_model(self, facts: ImageFacts, *, split: Split) -> ImageSource:
        """The images of one classifier.

        Args:
            facts: Which classifier.
            split: ``train`` for what it learns, ``test`` for what it is tested and scanned on.

        Raises:
            ValueError: If the images there are do not fit the facts.
        """

    @abstractmethod
    def scene_facts(self, facts: ImageFacts) -> SceneFacts | None:
        """What the scenes of one classifier have; None where nothing was done to them.

        Args:
            facts: Which classifier.
        """

    @abstractmethod
    def description(self) -> dict[str, object]:
        """What the recipe leaves open about the images, under ``images``; empty if nothing."""


class SignImages(ZooImages):
    """Synthetic signs; each classifier has classes of its own, and no image is drawn twice.

    Args:
        scenes: Weather, blur and photographs behind the signs; None for clouds in fair weather.
    """

    def __init__(self, *, scenes: SceneRecipe | None = None) -> None:
        self.scenes = scenes

    def of_model(self, facts: ImageFacts, *, split: Split) -> ImageSource:
        """A generator; both splits share it, as the seeds of their images differ."""
        del split
        classes = sign_classes(facts.num_classes, family_size=facts.family_size, seed=facts.seed)
        scene = None if self.scenes is None else self.scenes.scene(facts.seed)
        return SignGenerator(classes, image_size=facts.image_size, scene=scene)

    def scene_facts(self, facts: ImageFacts) -> SceneFacts | None:
        """What the classifier drew."""
        return None if self.scenes is None else self.scenes.facts(facts.seed)

    def description(self) -> dict[str, object]:
        """The scenes, if any; the seeds decide all else."""
        if self.scenes is None:
            return {}
        return {IMAGES: {"dataset": "signs", **self.scenes.description()}}


SIGN_IMAGES = SignImages()
