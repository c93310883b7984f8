"""Which models of a dataset are repaired: so many of each kind, clean or trojaned ones."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from exray.datasets.base import ModelDataset
from exray.text import some


@dataclass(frozen=True, kw_only=True)
class RepairSelection:
    """Which models are repaired, by what is known of their truth.

    Args:
        per_kind: So many of each kind of attack, the first ones, and of the clean models; None for
            all.
        is_trojaned: True for trojaned models alone, False for clean ones; None for both.
        models: Names of those that are chosen from; None for all.

    Raises:
        ValueError: If ``per_kind`` is not positive.
    """

    per_kind: int | None
    is_trojaned: bool | None
    models: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.per_kind is not None and self.per_kind < 1:
            raise ValueError(f"per_kind must be >= 1 or null; got {self.per_kind}")

    def chosen(self, source: ModelDataset, model_ids: Sequence[str]) -> tuple[str, ...]:
        """Those of the models that are repaired, in their order.

        Models of unknown truth are of one kind, and are repaired unless ``is_trojaned`` is set.

        Args:
            source: Knows the truth.
            model_ids: What there is to choose from.

        Raises:
            ValueError: If a model that is named is not among them.
        """
        if self.models is not None:
            unknown = [name for name in self.models if name not in model_ids]
            if unknown:
                raise ValueError(
                    f"models names {unknown[0]}, which is not among the {len(model_ids)} models "
                    f"to choose from ({some(model_ids)})"
                )
            model_ids = [name for name in model_ids if name in self.models]
        if self.per_kind is None and self.is_trojaned is None:
            return tuple(model_ids)
        seen: Counter[str] = Counter()
        chosen = []
        for model_id in model_ids:
            truth = source.truth(model_id)
            kind = "" if truth is None else truth.kind or "clean"
            if self.is_trojaned is not None and (
                truth is None or truth.is_trojaned != self.is_trojaned
            ):
                continue
            if self.per_kind is None or seen[kind] < self.per_kind:
                seen[kind] += 1
                chosen.append(model_id)
        return tuple(chosen)
