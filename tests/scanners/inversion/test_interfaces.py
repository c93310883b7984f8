"""An objective reads each candidate's lead from its own target's logits."""

import pytest
import torch

from exray.scanners.inversion.interfaces import StampedSet, View


def test_the_lead_is_over_the_best_other_class_of_every_image():
    logits, targets = torch.randn(3, 4, 5), torch.tensor([0, 4, 2])
    nothing = torch.zeros(3)
    stamped = StampedSet(
        images=torch.zeros(3, 4, 3, 1, 1), size=nothing, measure=nothing, counted=nothing
    )
    view = View(
        rows=torch.arange(3), logits=logits, targets=targets, activation=nothing, stamped=stamped
    )
    for place, target in enumerate(targets.tolist()):
        for image in range(4):
            own, *others = logits[place, image].roll(-target).tolist()
            assert float(view.lead[place, image]) == pytest.approx(own - max(others), abs=1e-5)
