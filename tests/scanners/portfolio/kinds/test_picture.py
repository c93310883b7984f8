import pytest
import torch

from exray.scanners.portfolio.kinds.picture import PictureKind


def test_a_grid_is_no_finer_than_the_image():
    kind = PictureKind(opacity=0.2, grid=50)
    shape = kind.started(2, image_size=(8, 60), seed=0, device=torch.device("cpu"))
    assert shape.parameters[0].shape == (2, 3, 8, 50)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"opacity": 0.1}, "opacity must exceed 0.1; got 0.1"),
        ({"opacity": 1.5}, "opacity must be a fraction"),
        ({"grid": 0}, "grid must be >= 1; got 0"),
    ],
)
def test_settings_out_of_range_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        PictureKind(**{"opacity": 0.2, "grid": 4, **changes})
