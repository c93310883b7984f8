import torch

from exray.scanners.inversion.filters import FilterSettings
from exray.scanners.portfolio.kinds.filter import FilterKind


def test_a_filter_starts_near_the_identity_and_keeps_its_ssim():
    kind = FilterKind(filter=FilterSettings(min_ssim=0.8, window_share=0.3))
    shape = kind.started(2, image_size=(16, 16), seed=0, device=torch.device("cpu"))
    trigger = shape.trigger([shape.parameters[0][:1]])
    images = torch.rand(3, 3, 16, 16)
    assert float((trigger.apply(images) - images).abs().max()) < 0.1
    assert kind.objective().bound == torch.inf
    alike = shape.stamp(shape.prepared(images)[None], [shape.parameters[0][:1]]).measure
    assert float(alike) > 0.9
