"""Which candidates go on after a round, and which triggers are handed on."""

from dataclasses import replace

import pytest
import torch

from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.inversion.best_states import StopRule
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.rounds import InversionRound, Refinement, strongest

pytestmark = pytest.mark.usefixtures("one_thread")

STOP = StopRule(good_score=1.98, patience=5, gain=0.002)


PAIRS = [Candidate(victims=(v,), target=t) for v, t in ((0, 1), (0, 2), (2, 0), (2, 1))]


@pytest.mark.parametrize(("settles", "living"), [(True, [0, 2, 3]), (False, [0, 1, 2, 3])])
def test_a_settled_victim_gives_up_its_other_pairs(
    scanners, trojaned, colour_samples, monkeypatch, settles, living
):
    split = SplitClassifier(trojaned, "relu", example=colour_samples.images[:2])
    inversion, seen = scanners["abs_filter"]().start(split, colour_samples, PAIRS), []

    def run(*_, images_per_step, **__):
        seen.append(images_per_step)
        inversion.best_score.copy_(torch.tensor([1.99, 1.5, 1.9, 1.5]))

    monkeypatch.setattr(inversion, "run", run)
    first = InversionRound(steps=1, images_per_victim=50, min_score=0.1, keep=2, settles=settles)
    refine = Refinement(name="abs_filter", rounds=(first,), stop=STOP, min_asr=0.9)
    assert refine.run(inversion, [0.0] * 4, progress=None) == living
    assert seen == [max(colour_samples.counts())]  # more would come twice


def test_a_learning_rate_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match=r"learning_rate must be positive; got 0.0"):
        InversionRound(steps=1, images_per_victim=1, min_score=0.5, keep=1, learning_rate=0.0)


def test_rounds_without_steps_or_images_are_refused():
    with pytest.raises(ValueError, match="steps must be >= 1; got 0"):
        InversionRound(steps=0, images_per_victim=2, min_score=0.5, keep=9)
    with pytest.raises(ValueError, match="images_per_victim must be >= 1; got 0"):
        InversionRound(steps=2, images_per_victim=0, min_score=0.5, keep=9)


def test_a_refinement_needs_a_round():
    with pytest.raises(ValueError, match="rounds must hold at least one round; got none"):
        Refinement(name="test", rounds=(), stop=STOP, min_asr=0.9)


def test_each_victim_keeps_its_first_triggers_in_their_order(white_patch, green_tint):
    of_blue = replace(green_tint, victim_class=2)
    triggers = [green_tint, of_blue, white_patch, green_tint]
    assert strongest(triggers, 1) == (green_tint, of_blue)
    assert strongest(triggers, 2) == (green_tint, of_blue, white_patch)
