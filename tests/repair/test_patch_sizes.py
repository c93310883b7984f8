"""The smallest patch of a pair: small with a backdoor, large or none without."""

import pytest

from exray.presets.presets import component_named
from exray.repair.patch_sizes import patch_sizes

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_backdoors_patch_is_smaller_than_its_twins(trojaned, clean_twin, colour_samples):
    search = component_named(
        "scanner", "neural_cleanse", engine__layer="relu", kind="pairs", steps=60
    )
    pairs = [(0, 1), (0, 1), (1, 2)]
    planted, clean = (
        patch_sizes(classifier, colour_samples, pairs, search)
        for classifier in (trojaned, clean_twin)
    )
    assert planted.keys() == clean.keys() == {(0, 1), (1, 2)}
    assert 0 < planted[0, 1] < 0.7 * clean[0, 1]
    assert clean[0, 1] <= 256
    empty = patch_sizes(trojaned, colour_samples.select(colour_samples.labels != 1), pairs, search)
    assert empty == {}
