"""The shipped zoo can be rebuilt from its recipe, and does what its manifest says."""

import pytest

from exray.datasets.zoo import embedded_root, open_zoo
from exray.zoo.candidate import train_candidate

TOLERANCE = 0.03  # weights differ in the last bits between machines; held-out accuracy hardly


def test_rebuilding_a_model_gives_the_manifests_accuracy_and_asr():
    zoo = open_zoo(embedded_root("signs_mini"))
    entry = next(model for model in zoo.manifest().models if model.is_trojaned)
    index = int(entry.model_id[3:])
    candidate = train_candidate(
        zoo.recipe, index, entry.attempts - 1, accelerator="cpu", progress=False
    )
    rebuilt = candidate.entry
    assert rebuilt.attack == entry.attack
    assert rebuilt.class_names == entry.class_names
    assert rebuilt.clean_accuracy == pytest.approx(entry.clean_accuracy, abs=TOLERANCE)
    assert rebuilt.asr == pytest.approx(entry.asr, abs=TOLERANCE)


@pytest.mark.parametrize("place", range(8))
def test_shipped_weights_classify_the_samples_a_scan_uses(place):
    zoo = open_zoo(embedded_root("signs_mini"))
    model_id = zoo.model_ids()[place]
    loaded = zoo.load(model_id)
    accuracy = loaded.classifier.accuracy(loaded.samples.images, loaded.samples.labels)
    assert accuracy >= zoo.manifest().entry(model_id).clean_accuracy - 0.05


def test_the_true_trigger_of_a_trojaned_model_is_drawn_on_its_victim():
    zoo = open_zoo(embedded_root("signs_mini"))
    assert zoo.true_images("id-00000000") == {}
    ((pair, stamped),) = zoo.true_images("id-00000001").items()
    assert pair in zoo.truth("id-00000001").pairs
    clean = zoo.load("id-00000001").samples.of_class(pair[0])[0]
    changed = ((stamped.float() / 255 - clean).abs().amax(dim=0) > 0.1).double().mean()
    assert 0 < changed < 0.2  # the sticker alone, on that very image
