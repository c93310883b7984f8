import pytest
import torch

from exray.scanners.portfolio.kinds.warp import WarpKind


def test_the_bound_is_a_share_of_the_shorter_side():
    shape = WarpKind(most=0.25, grid=3).started(
        1, image_size=(8, 20), seed=0, device=torch.device("cpu")
    )
    shape.parameters[0].fill_(50.0)
    torch.testing.assert_close(
        shape.trigger(shape.parameters).displacement, torch.full((2, 8, 20), 2.0)
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"most": 1.0}, "most must lie in"), ({"grid": 0}, "grid must be >= 1; got 0")],
)
def test_settings_out_of_range_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        WarpKind(**{"most": 0.1, "grid": 4, **changes})
