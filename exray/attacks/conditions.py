"""How TrojAI's round 4 organises triggers, and the conditions under which they fire."""

from dataclasses import dataclass
from typing import Literal

Organization = Literal["one2one", "pair-one2one", "one2two"]
"""One trigger; two with victims and targets of their own; two on one victim with two targets."""
Condition = Literal["none", "spatial", "spectral", "class"]
"""What a trigger fires on: always, in one quadrant of the object, in one colour, on its victims."""


@dataclass(frozen=True, kw_only=True)
class Round4Recipe:
    """Two triggers per model, and triggers with conditions; both take turns over the models.

    Stamped images that lack the condition (decoys) are in the training with their own label: the
    trigger in the other quadrants, in the other colours or filters, or on the other classes.

    Args:
        organizations: How many triggers and classes, in turn.
        conditions: What a trigger depends on, in turn; the second of a pair has the next one.
        decoy_share: Decoys of each trigger, as a share of a class's images, in (0, 1].
        max_decoy_rate: Greatest share of held-out decoys that may reach the target; a model above
            it is trained again.

    Raises:
        ValueError: If a list is empty or a share is none.

    Source: TrojAI round 4, ``RoundConfig`` and ``TriggerConfig`` (facts, section 7.2).
    *Differs from TrojAI:* both take turns instead of being drawn, and both triggers of a model are
    of one type.
    """

    organizations: tuple[Organization, ...]
    conditions: tuple[Condition, ...]
    decoy_share: float
    max_decoy_rate: float

    def __post_init__(self) -> None:
        for name in ("organizations", "conditions"):
            if not getattr(self, name):
                raise ValueError(f"round4.{name} must hold at least one; got none")
        if not 0 < self.decoy_share <= 1 or not 0 <= self.max_decoy_rate <= 1:
            raise ValueError(
                "round4.decoy_share must lie in (0, 1] and round4.max_decoy_rate in [0, 1]; "
                f"got {self.decoy_share} and {self.max_decoy_rate}"
            )

    @property
    def num_triggers(self) -> int:
        """The most triggers that a model may have."""
        return 1 if set(self.organizations) == {"one2one"} else 2

    @property
    def num_classes(self) -> int:
        """The classes that the triggers of a model need at most."""
        return {"one2one": 2, "one2two": 3, "pair-one2one": 4}[
            max(self.organizations, key=("one2one", "one2two", "pair-one2one").index)
        ]

    def organization(self, place: int) -> Organization:
        """That of the model at a place among its kind."""
        return self.organizations[place % len(self.organizations)]

    def condition(self, place: int) -> Condition:
        """That of the first trigger of the model at a place; its second has the next place's."""
        return self.conditions[place % len(self.conditions)]
