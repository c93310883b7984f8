"""Transfers leave out what they say, and judge just that."""

import numpy as np
import pytest

from exray.evaluation.metrics import scores
from exray.evaluation.predictions import Predictions
from exray.evaluation.rejudging.grouped_examples import grouped_examples
from exray.evaluation.rejudging.grouped_fit import GroupedFitter
from exray.evaluation.rejudging.transfers import (
    balanced_cross_entropy,
    mean_loss,
    transferred,
    transfers_of,
)
from tests.evaluation.rejudging.conftest import drawn_zoo
from tests.evaluation.rejudging.test_grouped_fit import SPECS, setup


@pytest.fixture
def examples():
    return grouped_examples(*drawn_zoo(telling=8.0), SPECS)


def test_families_kinds_and_reaches_are_left_out(examples):
    transfers = {transfer.name: transfer for transfer in transfers_of(examples, folds=3, seed=0)}
    assert list(transfers) == [
        *("without glyphs", "without signs"),
        *("without blend", "without patch", "without 1", "without universal"),
    ]
    ((fitted_on, judged),) = transfers["without glyphs"].splits
    assert (fitted_on == ~judged).all()
    assert (judged == examples.having("family", "glyphs")).all()
    patch = examples.having("kind", "patch")
    splits = transfers["without patch"].splits
    assert not any((fitted_on & (judged | patch)).any() for fitted_on, judged in splits)
    together = np.sum([judged for _, judged in splits], axis=0)
    assert (together == (patch | ~examples.is_trojaned)).all()


def test_one_family_is_not_left_out():
    records, triggers = drawn_zoo()
    examples = grouped_examples(records.assign(dataset="signs"), triggers, SPECS)
    names = [transfer.name for transfer in transfers_of(examples, folds=3, seed=0)]
    assert "without signs" not in names


def test_what_is_planted_alike_transfers(examples):
    fitter = GroupedFitter(examples, SPECS, threshold="balanced", false_positive_rate=0.1)
    for transfer in transfers_of(examples, folds=3, seed=0)[:2]:
        predictions = transferred(fitter, setup(), transfer)
        assert len(predictions) == 24
        assert scores(predictions)["balanced accuracy"] > 0.8


def test_families_kinds_and_reaches_count_as_much(examples):
    fitter = GroupedFitter(examples, SPECS, threshold="balanced", false_positive_rate=0.1)
    transfers = transfers_of(examples, folds=3, seed=0)
    assert [one.trait for one in transfers] == [*["family"] * 2, *["kind"] * 2, *["reach"] * 2]
    losses = [balanced_cross_entropy(transferred(fitter, setup(), one)) for one in transfers]
    assert mean_loss(fitter, setup(), transfers) == pytest.approx(np.mean(losses))
    uneven = (losses[0] + np.mean(losses[2:4])) / 2
    assert mean_loss(fitter, setup(), [transfers[0], *transfers[2:4]]) == pytest.approx(uneven)


def test_both_kinds_of_model_count_as_much():
    truth = np.array([True, False, False, False])
    predictions = Predictions(
        name="",
        model_ids=("a", "b", "c", "d"),
        is_trojaned=truth,
        flagged=truth,
        probability=np.array([0.5, 0.2, 0.2, 0.2]),
    )
    expected = -(np.log(0.5) + np.log(0.8)) / 2
    assert balanced_cross_entropy(predictions) == pytest.approx(expected)
    assert balanced_cross_entropy(predictions.select(np.array([0]))) == pytest.approx(np.log(2))
