"""Bounded strength: capped leads, and states beyond the bound."""

import torch

from exray.scanners.inversion.interfaces import StampedSet, View
from exray.scanners.inversion.strength import Strength, capped

LOGITS = torch.tensor([[[0.0, 3.0, 1.0], [5.0, 1.0, 0.0]], [[30.0, 0.0, 0.0], [4.0, 0.0, 3.0]]])


def view(measure, size=None):
    measure = torch.tensor(measure)
    stamped = StampedSet(
        images=torch.zeros(2, 2, 3, 1, 1),
        size=measure if size is None else torch.tensor(size),
        measure=measure,
        counted=measure,
    )
    return View(
        rows=torch.arange(2),
        logits=LOGITS,
        targets=torch.tensor([1, 0]),
        activation=torch.zeros(2),
        stamped=stamped,
    )


def scored(objective, given):
    return objective.score(given, torch.zeros(2), torch.zeros(2)).tolist()


def test_the_score_is_the_mean_capped_lead():
    expected = [(2.0 - 4.0) / 2, (12 + 0.1 * 18 + 1.0) / 2]
    assert scored(Strength(), view([3.0, 3.0])) == torch.tensor(expected).tolist()


def test_states_beyond_the_bound_have_none():
    objective = Strength()
    objective.bound = 4
    low, high = scored(objective, view([4.0, 5.0]))
    assert low == -1
    assert high == -torch.inf


def test_the_loss_does_not_know_the_bound_of_pixels():
    objective = Strength()
    objective.bound = 4
    loss = objective.loss(view([4.0, 5.0]))
    torch.testing.assert_close(loss, -torch.tensor([-1.0, 7.4]))


def test_what_ssim_lacks_of_its_bound_is_penalised_and_not_scored():
    objective = Strength(min_ssim=0.8)
    given = view([0.9, 0.7], size=[0.1, 0.3])
    low, high = scored(objective, given)
    assert low == -1
    assert high == -torch.inf
    loss = objective.loss(given)
    assert loss[0] == 1
    assert loss[1] > 50


def test_one_image_outweighs_no_others():
    assert capped(torch.tensor([100.0, -8.0])).mean() < 7
