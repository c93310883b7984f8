"""Features of the sets that baselines compare, and their normalised means by hand."""

import pytest
import torch

from exray.judges.baselines.features import (
    channel_scale,
    feature_sets,
    l2_distance,
    mean_activations,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def test_sets_are_the_features_of_victims_targets_and_stamped_victims(
    linear_split, trojaned, colour_samples, white_patch
):
    sets = feature_sets(linear_split, colour_samples, white_patch)
    victims, targets = colour_samples.of_class(0), colour_samples.of_class(1)
    stamped = white_patch.trigger.apply(victims)
    for features, images in (
        (sets.victim, victims),
        (sets.target, targets),
        (sets.stamped, stamped),
    ):
        torch.testing.assert_close(
            features, trojaned.network.relu(trojaned.network.colours(images))
        )


@pytest.mark.parametrize("space", [(), (5,), (2, 3)])
def test_means_are_shares_of_the_greatest_activation_whatever_the_features_shape(space):
    sets = [torch.randn(4, 3, *space), 2 * torch.randn(6, 3, *space)]
    sets[0][:, 1] = sets[1][:, 1] = 0  # silent: divided by 1 rather than 0
    scale = channel_scale(sets)
    for channel in (0, 2):
        greatest = max(float(features[:, channel].abs().max()) for features in sets)
        assert float(scale[channel]) == greatest
        mean = float(sets[0][:, channel].mean()) / greatest
        assert float(mean_activations(sets[0], scale)[channel]) == pytest.approx(mean, abs=1e-6)
    assert float(mean_activations(sets[0], scale)[1]) == 0


def test_a_distance_over_all_neurons_is_that_over_their_list():
    first, second = torch.randn(5), torch.randn(5)
    assert l2_distance(first, second) == l2_distance(first, second, torch.arange(5))
    assert l2_distance(first, second, torch.tensor([2])) == pytest.approx(
        abs(float(first[2] - second[2]))
    )
