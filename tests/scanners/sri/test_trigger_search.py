"""What SRI's search results say about a classifier."""

import math

import pytest
import torch

from exray.scanners.sri.trigger_search import SearchResult, ShapeResult, majority_target
from exray.triggers.base import InvertedTrigger
from exray.triggers.patch import PatchTrigger


def inverted(victim, target, asr, side, probability=0.5):
    mask = torch.zeros(10, 10)
    mask[:side, :side] = 1
    return InvertedTrigger(
        trigger=PatchTrigger(mask=mask, pattern=torch.ones(3, 10, 10)),
        victim_class=victim,
        target_class=target,
        asr=asr,
        target_probability=probability,
        source="test",
    )


def result(*triggers, with_gradient=(0, 1), broken=()):
    shape = ShapeResult(
        triggers=triggers,
        num_searches=2,
        with_gradient=frozenset(with_gradient),
        with_broken_gradient=frozenset(broken),
    )
    return SearchResult(shapes=(shape,), victims=(0, 1), image_area=100)


def test_the_majority_is_never_the_victim():
    assert majority_target(torch.tensor([[1.0, 0.0, 0.0]]), victim=0) == 1


def test_the_smallest_of_the_strongest_triggers_has_the_greatest_anomaly_score():
    search = result(inverted(0, 1, asr=1.0, side=5), inverted(1, 0, asr=0.9, side=2))
    assert search.anomaly_score == pytest.approx(0.9 / 0.2)
    assert search.log_anomaly == pytest.approx(math.log(1 + 0.5 / 0.2))
    assert result().anomaly_score == result().log_anomaly == 0


def test_a_trigger_without_pixels_counts_as_one_of_one_pixel():
    search = result(inverted(0, 1, asr=0.0, side=0))
    assert search.anomaly_score == 0
    assert search.log_anomaly == pytest.approx(math.log(1 + 0.5 / 0.1))


def test_the_strongest_trigger_of_each_victim_and_target_is_reported():
    triggers = [
        inverted(0, 1, asr=0.9, side=2),
        inverted(0, 1, asr=1.0, side=3),
        inverted(0, 2, asr=0.8, side=2),
        inverted(1, 0, asr=0.7, side=2),
        inverted(1, 2, asr=0.1, side=2),
    ]
    search = result(*triggers)
    reported = search.strongest(lambda trigger: trigger.asr > 0.5, per_victim=2)
    assert [trigger.asr for trigger in reported] == [1.0, 0.8, 0.7]
    assert [trigger.asr for trigger in search.strongest(lambda _: True, per_victim=1)] == [1.0, 0.7]


@pytest.mark.parametrize(
    ("values", "classes"),
    [({"with_gradient": (0,)}, "1"), ({"broken": (0,)}, "0"), ({"with_gradient": ()}, "0, 1")],
)
def test_a_clean_verdict_without_gradients_is_inconclusive(values, classes):
    search = result(**values)
    clean = search.scanner_result((), score=0.0, flags=False)
    assert f"no gradient for images of classes {classes}: " in clean.inconclusive
    assert not search.scanner_result((), score=9.0, flags=True).inconclusive
    assert not result().scanner_result((), score=0.0, flags=False).inconclusive
