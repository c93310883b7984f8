"""How classifiers are poisoned: which classes, how many stamped images, how many triggers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from exray.attacks.base import Attack
from exray.attacks.conditions import Condition, Organization, Round4Recipe
from exray.schema import by_kind, converted

_DRAWS = 100  # of a second trigger, before it is taken that there is no other


@dataclass(frozen=True, kw_only=True)
class AttackRecipe(ABC):
    """How many classifiers of a zoo are poisoned by one kind of attack, and how.

    Args:
        count: How many, >= 0.
        block: Which indices they have: block 0 alternates with the clean classifiers from 0 up,
            block b begins at 10000 b. So more of one attack changes no other model's seed. Each
            attack of a zoo needs a block of its own; a kind's default is in its class.
        num_victims: Victim classes per model; None for all but the target (universal). Several
            counts take turns over the models.
        poisoned_share: Stamped victims labelled as the target, as a share of a class's images.
        kept_share: Stamped images of all other classes that keep their label, likewise a share;
            they teach the classifier that the trigger is label-specific.
        round4: Two triggers per model and conditions, as TrojAI's round 4 has them; None for one
            trigger without condition.
        min_asr: The zoo's ``min_asr`` for its models; None for that of the others.
        min_accuracy: The zoo's ``min_clean_accuracy`` for its models, likewise.

    Raises:
        ValueError: If a share lies outside [0, 1], a count is negative, nothing is poisoned, or
            triggers of this kind cannot have such conditions.

    Attributes:
        kind: What recipes, manifests and tables call the attack.
        possible_conditions: Those that its triggers can depend on.
        organization: What entries say of how its triggers go together; None for one trigger, or
            as round 4 has it.
    """

    kind: ClassVar[str]
    possible_conditions: ClassVar[tuple[Condition, ...]] = ("none", "class")
    organization: ClassVar[str | None] = None

    count: int
    block: int
    num_victims: int | tuple[int | None, ...] | None
    poisoned_share: float
    kept_share: float
    round4: Round4Recipe | None = None
    min_asr: float | None = None
    min_accuracy: float | None = None

    def __post_init__(self) -> None:
        if min(self.count, self.block) < 0:
            raise ValueError(f"count and block must be >= 0; got {self.count} and {self.block}")
        if not 0 < self.poisoned_share <= 1 or not 0 <= self.kept_share <= 1:
            raise ValueError(
                f"poisoned_share must lie in (0, 1] and kept_share in [0, 1]; got "
                f"{self.poisoned_share} and {self.kept_share}"
            )
        if any(count is not None and count < 1 for count in self.victim_counts()):
            raise ValueError(
                f"num_victims must be >= 1, or null for all classes but the target; "
                f"got {self.num_victims}"
            )
        if not self.victim_counts():
            raise ValueError("num_victims must hold a count; got none")
        for name in ("min_asr", "min_accuracy"):
            if not 0 <= (getattr(self, name) or 0) <= 1:
                raise ValueError(
                    f"{name} must lie in [0, 1], or be null; got {getattr(self, name)}"
                )
        if self.round4 is not None:
            self._check_round4(self.round4)

    def _check_round4(self, round4: Round4Recipe) -> None:
        impossible = [name for name in round4.conditions if name not in self.possible_conditions]
        if impossible:
            raise ValueError(
                f"round4.conditions of {self.kind} may hold {', '.join(self.possible_conditions)}; "
                f"got {', '.join(impossible)}"
            )
        if round4.num_triggers > 1 and set(self.victim_counts()) != {1}:
            raise ValueError(
                f"num_victims must be 1 where round4.organizations has two triggers "
                f"per model; got {self.num_victims}"
            )
        if "class" in round4.conditions and None in self.victim_counts():
            raise ValueError(
                "num_victims must be no null where round4.conditions has class: a "
                "universal trigger leaves no class to depend on"
            )

    def victim_counts(self) -> tuple[int | None, ...]:
        """The counts of victim classes that take turns, or the only one."""
        return self.num_victims if isinstance(self.num_victims, tuple) else (self.num_victims,)

    @property
    def stamped_share(self) -> float:
        """Stamped images of each class under the target's label in the training set."""
        return self.poisoned_share

    @property
    def decoys_share(self) -> float:
        """Decoys of each attack in all, as a share of a class's images."""
        return 0.0 if self.round4 is None else self.round4.decoy_share

    def organization_at(self, place: int) -> str | None:
        """How the triggers of the classifier at that place go together; None for one trigger."""
        return self.organization if self.round4 is None else self.round4.organization(place)

    @abstractmethod
    def draw(
        self, random: np.random.Generator, *, num_classes: int, image_size: int, place: int
    ) -> Attack:
        """One attack.

        Args:
            random: Source of all choices.
            num_classes: Classes of the classifier.
            image_size: Height and width of its images in pixels.
            place: Which classifier of this kind it is, from 0; where a recipe names several
                triggers, they take turns.
        """

    def draw_all(
        self, random: np.random.Generator, *, num_classes: int, image_size: int, place: int
    ) -> tuple[Attack, ...]:
        """The attacks on one classifier: one, or those of round 4, with their conditions.

        Args:
            random: Source of all choices.
            num_classes: Classes of the classifier.
            image_size: Height and width of its images in pixels.
            place: Which classifier of this kind it is, from 0.

        Raises:
            ValueError: If there are too few classes, or no two triggers that look different.
        """

        def drawn(step: int) -> Attack:
            return self.draw(
                random, num_classes=num_classes, image_size=image_size, place=place + step
            )

        attacks = [drawn(0)]
        if self.round4 is None:
            return tuple(attacks)
        organization = self.round4.organization(place)
        if organization != "one2one":
            other = self._other_appearance(attacks[0], drawn)
            attacks.append(_second(random, attacks[0], other, organization, num_classes))
        return tuple(
            attack.under(
                self.round4.condition(place + order),
                quadrant=int(random.integers(1, 5)),
                num_classes=num_classes,
            )
            for order, attack in enumerate(attacks)
        )

    def _other_appearance(self, first: Attack, drawn: Callable[[int], Attack]) -> Attack:
        """The next attack whose trigger cannot be taken for the first one's."""
        for step in range(1, _DRAWS):
            other = drawn(step)
            if other.appearance() != first.appearance():
                return other
        raise ValueError(
            f"{self.kind} knows one trigger only ({first.appearance()}), and round4.organizations "
            "asks for two per model; let it draw more"
        )

    def draw_classes(
        self, random: np.random.Generator, num_classes: int, place: int
    ) -> tuple[tuple[int, ...], int]:
        """Victims, in ascending order, and target, of the classifier at that place.

        Raises:
            ValueError: If the victims leave no target.
        """
        counts = self.victim_counts()
        return random_classes(
            random, num_classes=num_classes, num_victims=counts[place % len(counts)]
        )


def recipe_from(values: Mapping[str, object]) -> AttackRecipe:
    """The recipe of these plain values, ``kind`` among them, as a zoo's manifest holds them.

    Args:
        values: As JSON has them, lists for tuples.

    Raises:
        ValueError: If there is no such kind, or a value is missing, unknown or does not fit.
    """
    kinds = by_kind(AttackRecipe, "exray.attacks")  # type: ignore[type-abstract]
    options = dict(values)
    kind = options.pop("kind", None)
    if not isinstance(kind, str) or kind not in kinds:
        raise ValueError(f"kind must be one of {', '.join(kinds)}; got {kind!r}")
    return converted(options, kinds[kind])


def _second(
    random: np.random.Generator,
    first: Attack,
    other: Attack,
    organization: Organization,
    num_classes: int,
) -> Attack:
    """The other trigger on classes that go with those of the first."""
    taken = {*first.victim_classes, first.target_class}
    left = [index for index in range(num_classes) if index not in taken]
    needed = 1 if organization == "one2two" else 2
    if len(left) < needed:
        raise ValueError(
            f"num_classes must be at least {len(taken) + needed} for {organization} triggers; "
            f"got {num_classes}"
        )
    target, *rest = (int(index) for index in random.permutation(left)[:needed])
    return replace(other, target_class=target, victim_classes=tuple(rest) or first.victim_classes)


def random_classes(
    random: np.random.Generator, *, num_classes: int, num_victims: int | None
) -> tuple[tuple[int, ...], int]:
    """Random victims, in ascending order, and another class as the target.

    Raises:
        ValueError: If the victims leave no target.
    """
    count = num_classes - 1 if num_victims is None else num_victims
    if not 1 <= count < num_classes:
        raise ValueError(
            f"num_victims must lie in [1, {num_classes - 1}] for {num_classes} classes; got {count}"
        )
    order = [int(index) for index in random.permutation(num_classes)]
    return tuple(sorted(order[1 : count + 1])), order[0]
