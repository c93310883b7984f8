"""Success rates are compared in double precision."""

import torch

from exray.scanners.inversion.success import success


def test_nine_hits_of_ten_reach_a_bar_of_nine_tenths():
    logits = torch.tensor([[0.0, 1.0]] * 9 + [[1.0, 0.0]])[None]
    share, _ = success(logits.double(), torch.tensor([1]))
    assert float(share) >= 0.9
