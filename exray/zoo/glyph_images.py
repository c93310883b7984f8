"""Letters and digits as the images of a zoo."""

from exray.images.sources.base import ImageSource, Split
from exray.images.sources.glyphs.generator import GlyphGenerator, Paper
from exray.images.sources.glyphs.outlines import glyph_classes
from exray.seeding import derive_seed
from exray.zoo.image_sets import IMAGES, ImageFacts, ZooImages

_PAPERS: tuple[Paper, ...] = ("dark", "dark", "light", "either")  # most as MNIST has them


class GlyphImages(ZooImages):
    """Each classifier has characters and a kind of paper of its own; no image is drawn twice."""

    def of_model(self, facts: ImageFacts, *, split: Split) -> ImageSource:
        """A generator; both splits share it, as the seeds of their images differ.

        Raises:
            ValueError: If there are not as many characters as classes.
        """
        del split
        return GlyphGenerator(
            glyph_classes(facts.num_classes, seed=facts.seed),
            image_size=facts.image_size,
            paper=_PAPERS[derive_seed(facts.seed, "paper") % len(_PAPERS)],
        )

    def scene_facts(self, facts: ImageFacts) -> None:
        """Nothing: there is nothing behind them."""
        del facts

    def description(self) -> dict[str, object]:
        """The kind of images; the seeds decide all else."""
        return {IMAGES: {"dataset": "glyphs"}}
