"""Which weather, blur and backgrounds the signs of a zoo's classifiers have."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exray.images.sources.signs.scenes import Scene, background_files
from exray.seeding import derive_seed
from exray.zoo.image_hash import hash_of_files


@dataclass(frozen=True, kw_only=True)
class SceneFacts:
    """What a manifest records of one classifier's scenes.

    Args:
        rain_probability: Share of its images with rain.
        fog_probability: Share of its images with fog.
        blur: Greatest standard deviation of the further blur, in pixels.
        backgrounds: Name of the folder of photographs; None for drawn clouds.
    """

    rain_probability: float
    fog_probability: float
    blur: float
    backgrounds: str | None


@dataclass(frozen=True, kw_only=True)
class SceneRecipe:
    """How the scenes of each classifier are drawn.

    Args:
        rain: Both parameters of the Beta distribution that each classifier draws its share of
            rainy images from; None for no rain.
        fog: The same for fog.
        blur: Greatest standard deviation of a further Gaussian blur, in pixels.
        backgrounds: Folder of photographs that lie behind the signs, those of training and test
            alike; None for drawn clouds.

    Raises:
        ValueError: If a parameter is not positive, the blur is negative, or the folder holds no
            photographs.

    Source: TrojAI rounds 2 to 4, whose shares of rain and fog are from Beta(1, 10), and whose
    blur has a kernel of up to 5 pixels on images of 256, a standard deviation of 1.1.
    *Differs from TrojAI:* rain and fog are drawn in our own way.
    """

    rain: tuple[float, float] | None
    fog: tuple[float, float] | None
    blur: float
    backgrounds: str | None

    def __post_init__(self) -> None:
        for name in ("rain", "fog"):
            parameters = getattr(self, name)
            if parameters is not None and min(parameters) <= 0:
                raise ValueError(
                    f"{name} must hold both parameters of a Beta distribution, above 0; "
                    f"got {list(parameters)}"
                )
        if not 0 <= self.blur < np.inf:
            raise ValueError(f"blur must be >= 0 pixels; got {self.blur}")
        self._photographs()

    def facts(self, seed: int) -> SceneFacts:
        """What the classifier of that seed has."""
        random = np.random.default_rng(derive_seed(seed, "scene"))
        rain, fog = (
            0.0 if parameters is None else float(random.beta(*parameters))
            for parameters in (self.rain, self.fog)
        )
        return SceneFacts(
            rain_probability=rain,
            fog_probability=fog,
            blur=self.blur,
            backgrounds=None if self.backgrounds is None else Path(self.backgrounds).name,
        )

    def scene(self, seed: int) -> Scene:
        """The scenes of the classifier of that seed."""
        facts = self.facts(seed)
        return Scene(
            rain_probability=facts.rain_probability,
            fog_probability=facts.fog_probability,
            blur=facts.blur,
            backgrounds=self._photographs(),
        )

    def description(self) -> dict[str, object]:
        """The recipe as plain values; a hash in the place of where the photographs lie."""
        values: dict[str, object] = {
            "rain": None if self.rain is None else list(self.rain),
            "fog": None if self.fog is None else list(self.fog),
            "blur": self.blur,
        }
        if self.backgrounds is not None:
            values["backgrounds"] = hash_of_files(Path(self.backgrounds), self._photographs())
        return values

    def _photographs(self) -> tuple[Path, ...]:
        return () if self.backgrounds is None else background_files(Path(self.backgrounds))
