"""Stored triggers in groups, ready to be fitted on: what each model's triggers are and say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from exray.evaluation.predictions import with_judge
from exray.evaluation.rejudging.stored_measurements import all_measurements_of
from exray.rules.evidence import WORDS, search_of, sign_of, value_of, with_agreement
from exray.rules.trigger_groups import belongs

_ALL: Mapping[str, Sequence[str]] = MappingProxyType({})
_OWN: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class GroupSpec:
    """Triggers that share a logistic model, and sets of features to choose from for it.

    Args:
        name: In words, such as ``universal patch``.
        searches: Searches of ``scanner=portfolio``.
        is_universal: Reach of its triggers; None for both.
        sets: Sets of features, the first of which the choice begins with.

    Raises:
        ValueError: If there is no search or no set, or a feature does not exist.
    """

    name: str
    searches: Sequence[str]
    is_universal: bool | None
    sets: Sequence[Sequence[str]]

    def __post_init__(self) -> None:
        unknown = sorted({name for names in self.sets for name in names} - set(WORDS))
        if unknown:
            raise ValueError(f"sets of {self.name} knows {', '.join(WORDS)}; got {unknown[0]!r}")
        if not self.searches or not self.sets:
            raise ValueError(f"searches and sets of {self.name} must hold values")

    def signs(self, features: Sequence[str]) -> Int[ndarray, " f"]:
        """The sign that theory gives each feature's weight; 0 where it gives none.

        Args:
            features: Names of features.
        """
        signs = [sign_of(name, is_universal=self.is_universal) for name in features]
        return np.array(signs, dtype=np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupedExamples:
    """Stored triggers and models.

    Args:
        model_ids: The models.
        is_trojaned: Their ground truth.
        traits: By ``family``, ``kind`` and ``reach``, each model's; empty of clean models but for
            the family.
        owner: Place of each trigger's model among them.
        weight: How much each model counts in a fit.
        target: Target class of each trigger.
        label: Of each trigger 1 for injected, 0 for natural, -1 where that is not known.
        group: Place of each trigger's group.
        columns: Values of each feature, by name; nan where it does not apply.
    """

    model_ids: tuple[str, ...]
    is_trojaned: Bool[ndarray, " m"]
    traits: Mapping[str, tuple[str, ...]]
    owner: Int[ndarray, " t"]
    weight: Float[ndarray, " m"]
    target: Int[ndarray, " t"]
    label: Int[ndarray, " t"]
    group: Int[ndarray, " t"]
    columns: Mapping[str, Float[ndarray, " t"]]

    def inputs(self, features: Sequence[str]) -> Float[ndarray, "t f"]:
        """The features of every trigger, side by side."""
        if not features:
            return np.empty((len(self.owner), 0))
        return np.stack([self.columns[name] for name in features], axis=1)

    def lacking(self, features: Sequence[str]) -> Bool[ndarray, " m"]:
        """Which models have triggers, none of which has any of some features.

        Args:
            features: Names of features; with none that any group's sets hold it is no model.
        """
        features = [name for name in features if name in self.columns]
        if not features:
            return np.zeros(len(self.model_ids), dtype=bool)
        told = ~np.isnan(self.inputs(features)).all(axis=1)
        count = len(self.model_ids)
        number = np.bincount(self.owner, minlength=count)
        silent = np.bincount(self.owner, weights=told, minlength=count) == 0
        return np.asarray((number > 0) & silent, dtype=bool)

    def only(self, models: Bool[ndarray, " m"]) -> "GroupedExamples":
        """Some of the models, with their triggers.

        Args:
            models: Which.
        """
        kept = np.flatnonzero(models)
        own = models[self.owner]
        place = np.cumsum(models) - 1
        return GroupedExamples(
            model_ids=tuple(self.model_ids[model] for model in kept),
            is_trojaned=self.is_trojaned[kept],
            traits={
                name: tuple(values[model] for model in kept) for name, values in self.traits.items()
            },
            owner=place[self.owner[own]].astype(np.int64),
            weight=self.weight[kept],
            target=self.target[own],
            label=self.label[own],
            group=self.group[own],
            columns={name: values[own] for name, values in self.columns.items()},
        )

    def having(self, trait: str, value: str) -> Bool[ndarray, " m"]:
        """Which models have a trait.

        Args:
            trait: ``family``, ``kind`` or ``reach``.
            value: Which.
        """
        return np.array([own == value for own in self.traits[trait]], dtype=bool)


def grouped_examples(
    records: pd.DataFrame,
    triggers: pd.DataFrame,
    specs: Sequence[GroupSpec],
    *,
    expresses: Mapping[str, Sequence[str]] = _ALL,
    families: Mapping[str, str] = _OWN,
) -> GroupedExamples:
    """What runs of ``scanner=portfolio`` give to fit on.

    A trigger is an example of an injected one where it goes from a true victim to its true target,
    and its search can express what was injected: a patch that flips the victims of a filter is a
    natural one. In a clean model it is an example of a natural one. Others of a trojaned model may
    be either, since a backdoor moves other classes too: they are no examples, but count for their
    model.

    Args:
        records: A row per record with ground truth; no two of one ``model_id``.
        triggers: A row per trigger.
        specs: The groups, of which each trigger belongs to the first that holds it.
        expresses: Searches that can express an attack, by its kind; all for one that is not named.
        families: Datasets that are part of another's family, by their name. They show more of a
            reach than is usual, so the models of each reach, and the clean ones, count as many as
            those of the other datasets together.

    Raises:
        ValueError: If a trigger belongs to no group.
    """
    predictions = with_judge(records)
    place = {model_id: index for index, model_id in enumerate(predictions.model_ids)}
    known = triggers[triggers["model_id"].astype(str).isin(list(place))].reset_index(drop=True)
    owner = known["model_id"].astype(str).map(place).to_numpy(dtype=np.int64)
    target = known["target_class"].to_numpy(dtype=np.int64)
    rows = _in_context(all_measurements_of(known), owner, target)
    is_true = known["is_true_trigger"].astype("boolean").fillna(False).to_numpy(dtype=bool)
    of_trojaned = predictions.is_trojaned[owner]
    traits = _traits(records, predictions.model_ids, families)
    searches = [search_of(row) for row in rows]
    fits = [
        search in expresses.get(traits["kind"][model], (search,))
        for search, model in zip(searches, owner, strict=True)
    ]
    is_example = is_true & np.array(fits, dtype=bool)
    names = sorted({name for spec in specs for names in spec.sets for name in names})
    return GroupedExamples(
        model_ids=predictions.model_ids,
        is_trojaned=predictions.is_trojaned,
        traits=traits,
        owner=owner,
        weight=_weights(records, predictions.model_ids, families),
        target=target,
        label=np.where(of_trojaned, np.where(is_example, 1, -1), 0).astype(np.int64),
        group=np.array([_group_of(row, specs) for row in rows], dtype=np.int64),
        columns={
            name: np.array([value_of(name, row) for row in rows], dtype=np.float64)
            for name in names
        },
    )


def _in_context(
    rows: Sequence[Mapping[str, float]], owner: Int[ndarray, " t"], target: Int[ndarray, " t"]
) -> list[Mapping[str, float]]:
    """The measurements with what only all triggers of a model together tell."""
    together: list[Mapping[str, float]] = list(rows)
    for model in np.unique(owner):
        places = np.flatnonzero(owner == model).tolist()
        known = with_agreement([rows[at] for at in places], target[places].tolist())
        for at, row in zip(places, known, strict=True):
            together[at] = row
    return together


def _group_of(row: Mapping[str, float], specs: Sequence[GroupSpec]) -> int:
    for place, spec in enumerate(specs):
        if belongs(row, spec.searches, spec.is_universal):
            return place
    search = search_of(row)
    raise ValueError(
        f"no group holds the triggers of {f'the search {search}' if search else 'this scanner'}; "
        "rejudge runs of scanner=portfolio, or add the search to a group of rejudge.groups"
    )


def _weights(
    records: pd.DataFrame, model_ids: Sequence[str], families: Mapping[str, str]
) -> Float[ndarray, " m"]:
    """Of each model its reach's share of models in the datasets of their own families."""
    rows = records.assign(model_id=records["model_id"].astype(str)).set_index("model_id")
    own = rows.loc[list(model_ids)]
    is_usual = ~own["dataset"].isin(list(families))
    reach = own["trigger_reach"].fillna("").astype(str)
    return is_usual.groupby(reach).transform("mean").replace(0.0, 1.0).to_numpy(dtype=np.float64)


def _traits(
    records: pd.DataFrame, model_ids: Sequence[str], families: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    rows = records.assign(model_id=records["model_id"].astype(str)).set_index("model_id")
    own = rows.loc[list(model_ids)]
    columns = {"family": "dataset", "kind": "trigger_kind", "reach": "trigger_reach"}
    traits = {trait: own[column].fillna("").astype(str) for trait, column in columns.items()}
    traits["family"] = traits["family"].replace(dict(families))
    return {trait: tuple(values) for trait, values in traits.items()}
