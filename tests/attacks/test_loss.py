"""How an attack takes part in the steps of a training."""

from dataclasses import replace

import torch
from torch import nn

from exray.attacks.loss import AttackLoss
from exray.zoo.poisoning import LabelledImages
from exray.zoo.training import train


class ConstantLoss(AttackLoss):
    """Turns every label to 0 and pulls a number of its own to 1."""

    def __init__(self):
        super().__init__()
        self.number = nn.Parameter(torch.zeros(()))
        self.steps = []

    def met(self, images, labels):
        return images, torch.zeros_like(labels)

    def watched(self, network):
        return (network[1],)

    def forward(self, step):
        self.steps.append(step)
        return (self.number - 1) ** 2


def test_its_images_labels_outputs_and_parameters_take_part(micro):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    poisoned = torch.arange(16) < 4
    data = LabelledImages(
        images=torch.randint(0, 256, (16, 3, 4, 4), dtype=torch.uint8),
        labels=torch.ones(16, dtype=torch.long),
        is_poisoned=poisoned,
    )
    loss = ConstantLoss()
    recipe = replace(micro.training, epochs=30, learning_rate=0.1)
    train(network, data, recipe, seed=0, accelerator="cpu", progress=False, attack_loss=loss)
    assert (network(data.images.float() / 255).argmax(dim=1) == 0).all()
    assert float(loss.number.detach()) > 0.9
    assert len(loss.steps) == 2 * 30
    for first, second in zip(loss.steps[::2], loss.steps[1::2], strict=True):
        assert int(first.is_poisoned.sum() + second.is_poisoned.sum()) == 4
        assert torch.equal(first.outputs[0], first.logits)
