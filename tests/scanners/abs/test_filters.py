"""ABS's filter inversion finds a planted filter backdoor, and nothing in the clean twin."""

from dataclasses import replace

import pytest
import torch

from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.abs.filters import AbsFilterScanner, universal_candidates, within_reach
from exray.scanners.abs.stimulation import StimulationSettings
from exray.scanners.inversion.best_states import StopRule
from exray.scanners.inversion.filters import FilterSettings, filter_ssim
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.loop import InversionSettings
from exray.scanners.inversion.rounds import InversionRound

pytestmark = pytest.mark.usefixtures("one_thread")

PARTS = {
    "stimulation": StimulationSettings(
        layer="relu", images_per_class=2, levels=(0.0, 1.0), targets_per_victim=2
    ),
    "filter": FilterSettings(min_ssim=0.7, window_share=0.3),
    "inversion": InversionSettings(learning_rate=0.1, betas=(0.9, 0.999), noise=0.0, seed=0),
    "rounds": (InversionRound(steps=25, images_per_victim=6, min_score=0.5, keep=1),),
    "universal_rounds": (),
    "stop": StopRule(good_score=1.98, patience=5, gain=0.002),
    "min_asr": 0.9,
    "triggers_per_victim": 1,
}


def scanner(**changes):
    return AbsFilterScanner(**{**PARTS, **changes})


def test_the_planted_target_is_found_within_the_bound(trojaned, colour_samples):
    result = scanner().scan(trojaned, colour_samples)
    assert result.flags
    assert result.num_candidates == 6
    pairs = {(trigger.victim_class, trigger.target_class) for trigger in result.triggers}
    assert {(0, 1), (2, 1)} <= pairs
    for trigger in result.triggers:
        images = colour_samples.of_class(trigger.victim_class)
        assert filter_ssim(trigger, images) >= 0.7
        answers = trojaned.predict(trigger.trigger.apply(images)).argmax(dim=1)
        assert float((answers == trigger.target_class).double().mean()) == pytest.approx(
            trigger.asr
        )


def test_a_universal_filter_is_handed_on_with_the_victim_it_flips_most(trojaned, colour_samples):
    rounds = (InversionRound(steps=25, images_per_victim=6, min_score=0.5, keep=1),)
    loose = replace(PARTS["filter"], min_ssim=0.5)
    alone = scanner(filter=loose).scan(trojaned, colour_samples)
    both = scanner(filter=loose, universal_rounds=rounds)
    result = both.scan(trojaned, colour_samples)
    assert result.num_candidates == alone.num_candidates + 3
    kernels = [trigger.trigger.kernel for trigger in alone.triggers]
    further = [
        trigger
        for trigger in result.triggers
        if not any(torch.equal(trigger.trigger.kernel, kernel) for kernel in kernels)
    ]
    assert len(further) == len(result.triggers) - len(alone.triggers)
    (universal,) = [trigger for trigger in further if trigger.target_class == 1]
    others = colour_samples.images[colour_samples.labels != 1]
    answers = trojaned.predict(universal.trigger.apply(others)).argmax(dim=1)
    assert float((answers == 1).double().mean()) >= 0.9
    assert universal.victim_class in (0, 2)
    assert filter_ssim(universal, others) >= 0.5


def test_two_classes_have_no_universal_filter_beside_their_pairs(colour_samples):
    pair = replace(
        colour_samples,
        images=colour_samples.images[:12],
        labels=colour_samples.labels[:12],
    )
    assert universal_candidates(pair) == []
    candidates = universal_candidates(colour_samples)
    assert [(candidate.victims, candidate.target) for candidate in candidates] == [
        ((1, 2), 0),
        ((0, 2), 1),
        ((0, 1), 2),
    ]


PAIRS = [Candidate(victims=(v,), target=t) for v, t in ((0, 1), (0, 2), (2, 0), (2, 1))]


def test_a_universal_filter_is_searched_where_its_pairs_came_up_to_its_bar(
    trojaned, colour_samples
):
    split = SplitClassifier(trojaned, "relu", example=colour_samples.images[:2])
    inversion = scanner().start(split, colour_samples, PAIRS[:3])
    inversion.best_score.copy_(torch.tensor([0.7, 0.2, -torch.inf]))
    every = universal_candidates(colour_samples)
    assert [candidate.target for candidate in within_reach(every, inversion, 0.5)] == [1]
    inversion.forget_scores()  # the last round's say nothing of pairs that did not reach it
    inversion.best_score.copy_(torch.tensor([-torch.inf, 0.6, 0.1]))
    assert [candidate.target for candidate in within_reach(every, inversion, 0.5)] == [1, 2]
    without = scanner().start(split, colour_samples, PAIRS[1:3])
    assert [candidate.target for candidate in within_reach(every, without, 0.5)] == [1]


def test_filters_of_the_clean_twin_show_more(trojaned, clean_twin, colour_samples):
    planted, natural = (
        [
            filter_ssim(trigger, colour_samples.of_class(trigger.victim_class))
            for trigger in scanner().scan(classifier, colour_samples).triggers
            if trigger.victim_class != 1
        ]
        for classifier in (trojaned, clean_twin)
    )
    assert min(planted) > max(natural)


def test_noise_is_refused():
    noisy = replace(PARTS["inversion"], noise=0.1)
    with pytest.raises(ValueError, match=r"noise must be 0 for filters.*got 0.1"):
        scanner(inversion=noisy)


def test_images_smaller_than_the_ssim_window_are_refused(trojaned, colour_samples):
    tiny = replace(colour_samples, images=colour_samples.images[..., :8, :8])
    with pytest.raises(ValueError, match="at least 11 pixels"):
        scanner().scan(trojaned, tiny)
