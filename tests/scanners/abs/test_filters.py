"""ABS's filter inversion finds a planted filter backdoor, and nothing in the clean twin."""

from dataclasses import replace

import pytest
import torch

from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.abs.filters import AbsFilterScanner, universal_candidates, within_reach
from exray.scanners.abs.stimulation import StimulationSettings
from exray.scanners.inversion.best_states import StopRule
from exray.scanners.inversion.filters import Filters, FilterSettings, filter_ssim
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.loop import InversionSettings
from exray.scanners.inversion.rounds import InversionRound, Refinement

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
    found = {(each.victim_class, each.target_class) for each in result.triggers}
    assert {(0, 1), (2, 1)} <= found
    for each in result.triggers:
        images = colour_samples.of_class(each.victim_class)
        assert filter_ssim(each, images) >= 0.7
        answers = trojaned.predict(each.trigger.apply(images)).argmax(dim=1)
        assert float((answers == each.target_class).double().mean()) == pytest.approx(each.asr)


def test_a_universal_filter_is_handed_on_with_the_victim_it_flips_most(trojaned, colour_samples):
    rounds = (InversionRound(steps=25, images_per_victim=6, min_score=0.5, keep=1),)
    loose = replace(PARTS["filter"], min_ssim=0.5)
    alone = scanner(filter=loose).scan(trojaned, colour_samples)
    both = scanner(filter=loose, universal_rounds=rounds)
    result = both.scan(trojaned, colour_samples)
    assert result.num_candidates == alone.num_candidates + 3
    kernels = [each.trigger.kernel for each in alone.triggers]
    further = [
        each
        for each in result.triggers
        if not any(torch.equal(each.trigger.kernel, kernel) for kernel in kernels)
    ]
    assert len(further) == len(result.triggers) - len(alone.triggers)
    (universal,) = [each for each in further if each.target_class == 1]
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
    assert [(each.victims, each.target) for each in candidates] == [
        ((1, 2), 0),
        ((0, 2), 1),
        ((0, 1), 2),
    ]


PAIRS = [Candidate(victims=(v,), target=t) for v, t in ((0, 1), (0, 2), (2, 0), (2, 1))]


@pytest.mark.parametrize(("settles", "living"), [(True, [0, 2, 3]), (False, [0, 1, 2, 3])])
def test_a_settled_victim_gives_up_its_other_pairs(
    trojaned, colour_samples, monkeypatch, settles, living
):
    split = SplitClassifier(trojaned, "relu", example=colour_samples.images[:2])
    inversion, seen = scanner().start(split, colour_samples, PAIRS), []

    def run(*_, images_per_step, **__):
        seen.append(images_per_step)
        inversion.best_score.copy_(torch.tensor([1.99, 1.5, 1.9, 1.5]))

    monkeypatch.setattr(inversion, "run", run)
    first = InversionRound(steps=1, images_per_victim=50, min_score=0.1, keep=2, settles=settles)
    refine = Refinement(name="abs_filter", rounds=(first,), stop=PARTS["stop"], min_asr=0.9)
    assert refine.run(inversion, [0.0] * 4, progress=None) == living
    assert seen == [max(colour_samples.counts())]  # more would come twice


def test_a_universal_filter_is_searched_where_its_pairs_came_up_to_its_bar(
    trojaned, colour_samples
):
    split = SplitClassifier(trojaned, "relu", example=colour_samples.images[:2])
    inversion = scanner().start(split, colour_samples, PAIRS[:3])
    inversion.best_score.copy_(torch.tensor([0.7, 0.2, -torch.inf]))
    every = universal_candidates(colour_samples)
    assert [each.target for each in within_reach(every, inversion, 0.5)] == [1]
    inversion.forget_scores()  # the last round's say nothing of pairs that did not reach it
    inversion.best_score.copy_(torch.tensor([-torch.inf, 0.6, 0.1]))
    assert [each.target for each in within_reach(every, inversion, 0.5)] == [1, 2]
    without = scanner().start(split, colour_samples, PAIRS[1:3])
    assert [each.target for each in within_reach(every, without, 0.5)] == [1]


def test_filters_of_the_clean_twin_show_more(trojaned, clean_twin, colour_samples):
    planted, natural = (
        [
            filter_ssim(each, colour_samples.of_class(each.victim_class))
            for each in scanner().scan(classifier, colour_samples).triggers
            if each.victim_class != 1
        ]
        for classifier in (trojaned, clean_twin)
    )
    assert min(planted) > max(natural)


def test_filters_begin_next_to_the_identity():
    shape = Filters(2, window=3, image_size=(16, 16), device=torch.device("cpu"))
    images = torch.rand(4, 3, 16, 16)
    prepared = torch.stack([shape.prepared(images)] * 2)
    stamped = shape.stamp(prepared, shape.parameters)
    expected = (0.95 * images).expand_as(stamped.images)
    torch.testing.assert_close(stamped.images, expected, atol=1e-5, rtol=0)
    assert (stamped.measure > 0.98).all()
    torch.testing.assert_close(1 - stamped.size, stamped.measure)


def test_images_that_are_turned_inside_out_leave_gradients_finite():
    shape = Filters(2, window=3, image_size=(16, 16), device=torch.device("cpu"))
    prepared = shape.prepared(torch.rand(4, 3, 16, 16)).expand(2, -1, -1, -1, -1)
    logits = torch.zeros(2, 12, 3)
    logits[0, :3] = -2 * torch.eye(3)
    logits[0, 3:6] = 2 * torch.eye(3)
    logits[1, :3] = torch.eye(3)
    logits.requires_grad_(True)
    (slopes,) = torch.autograd.grad(shape.stamp(prepared, (logits,)).size.sum(), logits)
    assert slopes.isfinite().all()
    alone = shape.stamp(prepared[1:], (logits[1:],)).size.sum()
    torch.testing.assert_close(slopes[1], torch.autograd.grad(alone, logits)[0][1])
    assert (slopes[1] != 0).any()


@pytest.mark.parametrize("value", [0.0, 1.0, -0.5, 1.5])
def test_an_ssim_bound_outside_zero_and_one_is_refused(value):
    with pytest.raises(ValueError, match=rf"min_ssim must lie in \(0, 1\); got {value}"):
        FilterSettings(min_ssim=value, window_share=0.5)


def test_noise_is_refused():
    noisy = replace(PARTS["inversion"], noise=0.1)
    with pytest.raises(ValueError, match=r"noise must be 0 for filters.*got 0.1"):
        scanner(inversion=noisy)


def test_images_smaller_than_the_ssim_window_are_refused(trojaned, colour_samples):
    tiny = replace(colour_samples, images=colour_samples.images[..., :8, :8])
    with pytest.raises(ValueError, match="at least 11 pixels"):
        scanner().scan(trojaned, tiny)


def test_a_learning_rate_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match=r"learning_rate must be positive; got 0.0"):
        replace(PARTS["rounds"][0], learning_rate=0.0)
