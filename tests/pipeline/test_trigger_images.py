"""What a report draws of a trigger and its judgement."""

import numpy as np
import torch

from exray.images.samples import SampleSet
from exray.judges.base import JudgedTrigger, Judgement
from exray.pipeline.trigger_images import trigger_images
from exray.triggers.base import InvertedTrigger
from exray.triggers.patch import PatchTrigger


def test_images_are_bytes_and_masks_floats_under_the_triggers_number():
    patch = PatchTrigger(mask=torch.ones(4, 4), pattern=torch.ones(3, 4, 4))
    trigger = InvertedTrigger(
        trigger=patch, victim_class=1, target_class=0, asr=1.0, target_probability=1.0, source="x"
    )
    samples = SampleSet(
        images=torch.zeros(2, 3, 4, 4), labels=torch.tensor([0, 1]), class_names=("a", "b")
    )
    judgement = Judgement(
        is_injected=True, score=1.0, reason="injected", tensors={"mask": torch.ones(2)}
    )
    drawn = trigger_images(3, samples, JudgedTrigger(trigger=trigger, judgement=judgement))
    names = ("victim_image", "stamped_image", "target_image", "trigger_image", "mask")
    assert set(drawn) == {f"trigger_3/{name}" for name in names}
    assert drawn["trigger_3/stamped_image"].dtype == np.uint8
    assert drawn["trigger_3/stamped_image"].min() == 255
    assert drawn["trigger_3/mask"].dtype == np.float32


def test_a_target_without_images_has_none():
    patch = PatchTrigger(mask=torch.ones(4, 4), pattern=torch.ones(3, 4, 4))
    trigger = InvertedTrigger(
        trigger=patch, victim_class=1, target_class=0, asr=1.0, target_probability=1.0, source="x"
    )
    samples = SampleSet(
        images=torch.zeros(1, 3, 4, 4), labels=torch.tensor([1]), class_names=("a", "b")
    )
    judgement = Judgement(is_injected=False, score=0.1, reason="natural")
    drawn = trigger_images(0, samples, JudgedTrigger(trigger=trigger, judgement=judgement))
    names = ("victim_image", "stamped_image", "trigger_image")
    assert set(drawn) == {f"trigger_0/{name}" for name in names}
