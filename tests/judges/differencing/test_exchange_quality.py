"""How well masks exchange classes: directions apart, shares exact, entropies by hand."""

import pytest
import torch

from exray.judges.differencing.exchange_quality import exchange_quality
from exray.judges.differencing.feature_pairs import FeaturePairs
from exray.judges.differencing.head_runner import HeadCalls

pytestmark = pytest.mark.usefixtures("one_thread")


def test_accuracies_count_each_direction_by_itself(
    two_channel_head, known_features, pair, accuracies
):
    half = torch.tensor([[0.0, 1.0, 0.0, 0.5, 0.0]])  # neither side reaches 1.9 of 2
    pairs = FeaturePairs(known_features(), [pair(range(4), range(4, 8))])
    assert accuracies(two_channel_head(), pairs, half, seed=0).tolist() == [[0, 1]]


def test_eight_hits_of_ten_are_no_more_than_a_threshold_of_eight_tenths(
    two_channel_head, pair, accuracies
):
    features = torch.zeros(11, 5)
    features[1:9, [1, 3]] = 1.0  # the last two stay class 0 whoever's features they get
    pairs = FeaturePairs(features, [pair([0] * 10, range(1, 11))])
    (one, _) = accuracies(two_channel_head(), pairs, torch.ones(1, 5))[0].tolist()
    assert one == 0.8


def test_entropies_are_those_of_the_classes_that_the_exchange_should_give(
    two_channel_head, known_features, pair, mask_settings
):
    head, features = two_channel_head(), known_features()
    pairs = FeaturePairs(features, [pair(range(4), range(4, 8))])
    quality = exchange_quality(head, pairs, torch.ones(1, 5), compute=mask_settings.compute, seed=0)
    logits = head(features).double().log_softmax(dim=1)
    expected = [-float(logits[4:8, 1].mean()), -float(logits[:4, 0].mean())]
    assert quality.cross_entropy[0].tolist() == pytest.approx(expected, rel=1e-4)


def test_calls_of_few_samples_measure_the_same(
    two_channel_head, known_features, pair, mask_settings, monkeypatch
):
    pairs = FeaturePairs(known_features(), [pair(range(4), range(4, 10), one_to_one=False)])
    masks = torch.rand(1, 5)

    def quality(fits):
        with monkeypatch.context() as patched:
            patched.setattr(HeadCalls, "samples_per_call", lambda *_: fits)
            return exchange_quality(
                two_channel_head(), pairs, masks, compute=mask_settings.compute, seed=0
            )

    whole, parts = quality(99), quality(1)
    assert torch.equal(whole.accuracy, parts.accuracy)
    torch.testing.assert_close(whole.cross_entropy, parts.cross_entropy)


@pytest.mark.parametrize(("one_to_one", "rounds"), [(True, 1), (False, 4)])
def test_samples_are_paired_anew_only_where_they_can_be(
    two_channel_head, known_features, pair, accuracies, monkeypatch, one_to_one, rounds
):
    passed = []
    call = HeadCalls.__call__
    monkeypatch.setattr(
        HeadCalls, "__call__", lambda self, rows: passed.append(len(rows)) or call(self, rows)
    )
    pairs = FeaturePairs(known_features(), [pair(range(4), range(4, 8), one_to_one=one_to_one)])
    accuracies(two_channel_head(), pairs, torch.rand(1, 5))
    assert sum(passed) == rounds * 8
