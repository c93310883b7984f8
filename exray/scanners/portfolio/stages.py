"""Stages of an inversion: steps towards a bound, after which the best candidates go on."""

from collections.abc import Sequence
from dataclasses import dataclass

from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.loop import Inversion, InversionSettings
from exray.scanners.inversion.strength import Strength
from exray.scanners.inversion.universal import pool_of
from exray.scanners.portfolio.kinds.base import TriggerKind
from exray.scanners.portfolio.scene import Scene
from exray.scanners.validation import require_count
from exray.triggers.base import Trigger

_TIGHTENING = 0.6  # share of a stage's steps in which its bound is reached


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of a search.

    Args:
        name: What the measurements at its end are called after.
        steps: Adam steps.
        images: Images per candidate and step, as far as there are as many.
        keep: Candidates that go on from it.
        bound: Bound at its end, in the kind's own units; 1 for a kind with a fixed bound.

    Raises:
        ValueError: If a count is not positive.
    """

    name: str
    steps: int
    images: int
    keep: int
    bound: float = 1.0

    def __post_init__(self) -> None:
        for name in ("steps", "images", "keep"):
            require_count(name, getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class Reached:
    """A candidate's best trigger at the end of a stage.

    Args:
        stage: The stage's name.
        trigger: The hardened trigger.
        strength: Mean capped lead of its target on its victims' held-out images.
        asr: Share of them that it flips.
    """

    stage: str
    trigger: Trigger
    strength: float
    asr: float


class StagedInversion:
    """Candidates of one kind that are optimised stage by stage.

    Args:
        scene: The classifier and its images.
        kind: What is optimised.
        candidates: The candidates.
        optimizer: Learning rate and betas.
        first_bound: Bound before the first stage.
        objective: Instead of the kind's own.
    """

    def __init__(
        self,
        scene: Scene,
        kind: TriggerKind,
        candidates: Sequence[Candidate],
        *,
        optimizer: InversionSettings,
        first_bound: float,
        objective: Strength | None = None,
    ) -> None:
        self._scene = scene
        self._kind = kind
        self._bound = first_bound
        self._objective = kind.objective() if objective is None else objective
        self.candidates = tuple(candidates)
        shape = kind.started(
            len(candidates),
            image_size=scene.image_size,
            seed=optimizer.seed,
            device=scene.search.images.device,
        )
        kind.seed_starts(shape, scene, candidates)
        self.inversion = Inversion(
            scene.split,
            candidates,
            [pool_of(scene.search, candidate) for candidate in candidates],
            shape=shape,
            objective=self._objective,
            settings=optimizer,
        )

    def run(self, stage: Stage, alive: Sequence[int]) -> dict[int, Reached]:
        """Runs one stage; what each candidate reached, the strongest first.

        Args:
            stage: The stage.
            alive: Places of the candidates to optimise.
        """
        self._kind.enter(self.inversion, self._objective, alive=alive, bound=stage.bound)
        self.inversion.forget_scores()
        done = 0

        def tighten() -> None:
            self._kind.tighten(
                self.inversion.shape,
                self._objective,
                bounds=(self._bound, stage.bound),
                progress=min(1.0, done / (_TIGHTENING * stage.steps)),
            )

        def after_step() -> None:
            nonlocal done
            done += 1
            tighten()
            self._scene.on_step()

        tighten()
        most = max(len(self.inversion.pools[place]) for place in alive)
        self.inversion.run(
            stage.steps,
            alive=alive,
            images_per_step=min(stage.images, most),
            on_step=after_step,
        )
        self._bound = stage.bound
        scores = self.inversion.best_score.tolist()
        order = sorted(alive, key=lambda place: -scores[place])
        return {place: self._reached(place, stage.name) for place in order}

    def _reached(self, place: int, stage: str) -> Reached:
        candidate, trigger = self.candidates[place], self.inversion.trigger(place)
        strength, asr = self._scene.quick_success(trigger, candidate)
        return Reached(stage=stage, trigger=trigger, strength=strength, asr=asr)
