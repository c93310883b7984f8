"""The shared loop: a planted backdoor is recovered, bounded, repeatable, batch mates apart."""

from dataclasses import replace

import pytest
import torch

from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.inversion import loop
from exray.scanners.inversion.best_states import StopRule
from exray.scanners.inversion.initialization import Start
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.loop import Inversion, InversionSettings
from exray.scanners.inversion.measurement import measure_candidate
from exray.scanners.inversion.objectives import BoundedLead
from exray.scanners.inversion.patches import square_patches

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = InversionSettings(learning_rate=0.3, betas=(0.9, 0.999), noise=0.02, seed=0)
CANDIDATES = (
    Candidate(victims=(0,), target=1, channel=3),
    Candidate(victims=(2,), target=1, channel=3),
    Candidate(victims=(1,), target=0, channel=0),
    Candidate(victims=(0,), target=2, channel=2),
)
PLANTED, OTHERS = [0, 1], [2, 3]
BOUND = 0.15 * 16 * 16
EVERY = range(len(CANDIDATES))


def start(classifier, samples, candidates=CANDIDATES, settings=SETTINGS, pattern="colour"):
    square = Start(colour=(0.6, 0.6, 0.6), top=6, left=6, lead=0.0)
    shape = square_patches(
        candidates,
        [square] * len(candidates),
        side=4,
        image_size=(16, 16),
        pattern=pattern,
        seed=settings.seed,
        device=torch.device("cpu"),
    )
    return Inversion(
        SplitClassifier(classifier, "relu", example=samples.images[:2]),
        candidates,
        [samples.of_class(candidate.victims[0]) for candidate in candidates],
        shape=shape,
        objective=BoundedLead(max_pixels=BOUND, neuron_weight=0.01),
        settings=settings,
    )


def inverted(classifier, samples, candidates=CANDIDATES, steps=25, **changes):
    inversion = start(classifier, samples, candidates, **changes)
    inversion.run(steps, alive=range(len(candidates)), images_per_step=4)
    return inversion


def asr(inversion):
    return [measure_candidate(inversion, place).asr for place in range(len(inversion.candidates))]


@pytest.mark.parametrize("pattern", ["colour", "free"])
def test_the_planted_backdoor_is_recovered_within_the_bound(trojaned, colour_samples, pattern):
    shares = asr(inverted(trojaned, colour_samples, pattern=pattern))
    assert all(shares[place] >= 0.9 for place in PLANTED)
    assert all(shares[place] < 0.5 for place in OTHERS)


def test_the_clean_twin_has_no_trigger_of_that_size(clean_twin, colour_samples):
    assert max(asr(inverted(clean_twin, colour_samples))) < 0.5


def test_no_patch_exceeds_the_bound(trojaned, colour_samples):
    inversion = inverted(trojaned, colour_samples)
    for place in EVERY:
        trigger = inversion.trigger(place)
        assert 0 < trigger.size_pixels <= BOUND
        assert set(trigger.mask.unique().tolist()) <= {0, 1}


def test_a_colour_pattern_is_one_colour(trojaned, colour_samples):
    pattern = inverted(trojaned, colour_samples, steps=2).trigger(0).pattern
    assert torch.equal(pattern, pattern[:, :1, :1].expand_as(pattern))


def test_a_candidate_does_not_depend_on_its_batch_mates(trojaned, colour_samples):
    together = inverted(trojaned, colour_samples, steps=10, pattern="free")
    for place, candidate in enumerate(CANDIDATES):
        alone = inverted(trojaned, colour_samples, (candidate,), steps=10, pattern="free")
        torch.testing.assert_close(alone.best_score[0], together.best_score[place])
        one, other = alone.trigger(0), together.trigger(place)
        assert torch.equal(one.mask, other.mask)
        torch.testing.assert_close(one.pattern, other.pattern, atol=1e-4, rtol=0)


def test_a_candidate_that_rested_goes_on_as_if_it_had_not(trojaned, colour_samples):
    whole = inverted(trojaned, colour_samples, steps=6)
    parts = inverted(trojaned, colour_samples, steps=2)
    parts.run(3, alive=[1], images_per_step=4)
    parts.run(4, alive=[0, 2, 3], images_per_step=4)
    parts.run(1, alive=[1], images_per_step=4)
    assert parts.steps.tolist() == whole.steps.tolist() == [6, 6, 6, 6]
    torch.testing.assert_close(whole.best_score, parts.best_score)
    for one, other in zip(whole.shape.parameters, parts.shape.parameters, strict=True):
        torch.testing.assert_close(one, other)


def test_chunks_change_nothing(trojaned, colour_samples, monkeypatch):
    whole = inverted(trojaned, colour_samples, steps=5)
    monkeypatch.setattr(loop, "pixels_per_call", lambda _: 1)
    parts = inverted(trojaned, colour_samples, steps=5)
    torch.testing.assert_close(whole.shape.parameters[0], parts.shape.parameters[0])


def test_the_same_seed_gives_the_same_patches_and_another_does_not(trojaned, colour_samples):
    one, same = (inverted(trojaned, colour_samples, steps=3).trigger(0) for _ in range(2))
    other = inverted(trojaned, colour_samples, settings=replace(SETTINGS, seed=1), steps=3)
    assert torch.equal(one.pattern, same.pattern)
    assert torch.equal(one.mask, same.mask)
    assert not torch.equal(one.pattern, other.trigger(0).pattern)


def test_a_good_candidate_stops_and_saves_its_passes(trojaned, colour_samples):
    inversion = start(trojaned, colour_samples)
    stop = StopRule(good_score=1.5, patience=2, gain=0.01)
    calls = []
    inversion.run(25, alive=EVERY, images_per_step=4, stop=stop, on_step=lambda: calls.append(1))
    steps = inversion.steps.tolist()
    assert all(steps[place] < 25 for place in PLANTED)
    assert all(steps[place] == 25 for place in OTHERS)
    assert inversion.image_passes == 4 * sum(steps)
    assert len(calls) == 25


def test_the_best_state_is_kept_rather_than_the_last(trojaned, colour_samples):
    inversion = inverted(trojaned, colour_samples)
    before = inversion.trigger(0)
    score = inversion.best_score[0].clone()
    for parameter in inversion.shape.parameters:
        parameter.fill_(-4.0)
    inversion.run(1, alive=[0], images_per_step=4)
    assert inversion.best_score[0] == score
    assert torch.equal(inversion.trigger(0).mask, before.mask)


def test_each_step_has_noise_of_its_own_within_its_bound(trojaned, colour_samples, monkeypatch):
    seen = []
    original = SplitClassifier.features

    def features(self, images):
        seen.append(images.detach())
        return original(self, images)

    monkeypatch.setattr(SplitClassifier, "features", features)
    inverted(trojaned, colour_samples, CANDIDATES[:1], steps=2)
    corners = [images[:, :, 0] - colour_samples.of_class(0)[:4, :, 0] for images in seen[-2:]]
    assert all(0.01 < float(corner.abs().max()) < 0.03 for corner in corners)
    assert not torch.allclose(*corners, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("learning_rate", 0.0, "learning_rate must be positive; got 0.0"),
        ("betas", (0.9, 1.0), r"betas must be two numbers in \[0, 1\); got \[0.9, 1.0\]"),
        ("noise", 1.5, r"noise must lie in \[0, 1\); got 1.5"),
    ],
)
def test_settings_out_of_range_are_refused(name, value, message):
    settings = replace(SETTINGS)
    object.__setattr__(settings, name, value)  # beartype, which users lack, would refuse it first
    with pytest.raises(ValueError, match=message):
        settings.__post_init__()


def test_candidates_restart_where_they_scored_best(trojaned, colour_samples):
    inversion = start(trojaned, colour_samples, settings=replace(SETTINGS, noise=0.0))
    inversion.run(25, alive=EVERY, images_per_step=4)
    best = inversion.best_score.clone()
    inversion.restart_from_best(PLANTED, learning_rate=0.05)
    assert inversion.steps.tolist() == [0, 0, 25, 25]
    inversion.forget_scores()
    inversion.run(1, alive=PLANTED, images_per_step=4)
    torch.testing.assert_close(inversion.best_score[PLANTED], best[PLANTED])


def test_a_candidate_without_a_state_within_its_bound_stays_where_it_is(trojaned, colour_samples):
    inversion = start(trojaned, colour_samples)
    inversion.run(3, alive=PLANTED, images_per_step=4)
    inversion.forget_scores()
    before = [parameter.clone() for parameter in inversion.shape.parameters]
    inversion.restart_from_best(EVERY, learning_rate=0.05)
    assert inversion.steps.tolist() == [3, 3, 0, 0]
    for value, other in zip(inversion.shape.parameters, before, strict=True):
        assert torch.equal(value, other)
