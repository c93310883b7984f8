"""A kind's own bound is the only one it takes."""

import pytest
import torch

from exray.scanners.inversion.strength import Strength
from exray.scanners.portfolio.kinds.sinusoid import SinusoidKind

KIND = SinusoidKind(amplitude=0.1, cycles=2)


def test_a_kind_with_a_fixed_bound_takes_1_alone():
    KIND.check_bounds([1.0, 1.0])
    with pytest.raises(ValueError, match="bound must be 1 for a kind with a fixed bound; got"):
        KIND.check_bounds([1.0, 0.5])


def test_its_bound_stays():
    shape = KIND.started(2, image_size=(8, 8), seed=0, device=torch.device("cpu"))
    before, objective = shape.parameters[0].clone(), KIND.objective()
    KIND.tighten(shape, objective, bounds=(1.0, 1.0), progress=0.5)
    assert torch.equal(shape.parameters[0], before)
    assert type(objective) is Strength
    assert objective.bound == torch.inf
