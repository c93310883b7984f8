"""A stranger's model file, and everything that can be wrong with it."""

import pickle

import hub_folders
import keras_files as keras
import pytest
import torch
from torch import nn

from exray.datasets.folder import FolderDataset
from exray.datasets.preprocess import FolderPreprocess
from exray.errors import CheckpointError
from exray.models.architectures.registry import build


def loaded(source):
    return source.load("model")


def test_the_classifier_knows_its_images(source):
    model = loaded(source())
    assert source().model_ids() == ("model",)
    assert source().truth("model") is None
    assert (model.architecture, model.warnings) == ("colours", ())
    assert model.classifier.accuracy(model.samples.images, model.samples.labels) == 1


def test_a_network_of_ours_is_built_by_name(source, folder):
    network = build("plain_cnn", num_classes=3).eval()
    torch.save(network.state_dict(), folder / "model.pt")
    model = loaded(source(None, architecture="plain_cnn"))
    assert model.classifier.num_classes == 3
    expected = network(model.samples.images)
    assert torch.allclose(model.classifier.predict(model.samples.images), expected, atol=1e-6)


def test_a_network_without_a_name_of_ours_says_what_there_is(source):
    with pytest.raises(
        ValueError,
        match=r"architecture .vgg. is not known; known: grey_cnn, grey_lenet, narrow_nin",
    ):
        loaded(source(None, architecture="vgg"))


def test_the_count_of_classes_of_a_named_network_may_be_told(source, folder):
    torch.save(build("plain_cnn", num_classes=3).state_dict(), folder / "model.pt")
    with pytest.raises(CheckpointError, match=r"of another shape: .* in the file, 4 x 64 in the"):
        loaded(source(None, architecture="plain_cnn", num_classes=4))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": "nowhere"}, "model must be a file or a hub's folder; 'nowhere' is neither"),
        ({"limit_per_class": 0}, "limit_per_class must be >= 1 or null; got 0"),
        ({"images": "nowhere"}, "images must be a folder; 'nowhere' is none"),
        (
            {"architecture": "plain_cnn"},
            r"give exactly one of them; got architecture='plain_cnn' and",
        ),
    ],
)
def test_a_description_that_cannot_be_is_refused_at_once(source, values, message):
    with pytest.raises(ValueError, match=message):
        source(**values)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (None, r"give exactly one of architecture=NAME \(known: grey_cnn, grey_lenet, narrow_nin"),
        ("broken", "broken raised OSError: no disk; it must build the network without reading"),
        ("nothing", "names 'nothing', which is not in .*; it has: colours, probabilities, broken"),
    ],
)
def test_what_only_the_files_can_tell_is_checked_before_a_scan(source, factory, message):
    with pytest.raises(ValueError, match=message):
        source(factory).check()
    source().check()


def test_the_constructor_reads_and_executes_nothing(source, folder):
    (folder / "model.pt").write_bytes(b"no model")
    (folder / "factory.py").write_text("raise SystemExit")
    assert source().model_ids() == ("model",)


class Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_file_that_needs_code_is_refused_and_runs_none(source, folder):
    canary = folder / "canary"
    for save in (lambda content, path: torch.save(content, path), dump):
        save({"state_dict": Canary(canary)}, folder / "model.pt")
        with pytest.raises(CheckpointError, match=r"would run code when loaded \(.*open\), and is"):
            loaded(source())
        assert not canary.exists()


def dump(content, path):
    path.write_bytes(pickle.dumps(content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; copy or download the file again"),
        (b"hello, I am no model", "is not a checkpoint: it starts with b'hello, I'"),
        (b"PK\x03\x04 and no more", "is a truncated zip file"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused(source, folder, content, message):
    (folder / "model.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        loaded(source())


def test_a_truncated_file_is_refused(source, folder):
    path = folder / "model.pt"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CheckpointError, match="is a truncated zip file"):
        loaded(source())


def test_a_whole_network_needs_no_architecture(source, folder, trojaned):
    torch.save(nn.Sequential(*trojaned.network), folder / "model.pt")
    model = loaded(source(None))
    assert model.classifier.accuracy(model.samples.images, model.samples.labels) == 1
    assert model.architecture == "Sequential"
    assert model.warnings[0].startswith("model.pt holds a whole Sequential, rebuilt from a list of")


def test_a_whole_network_of_unknown_classes_says_that_its_network_must_be_named(source, folder):
    torch.save(nn.LSTM(2, 3), folder / "model.pt")
    message = r"a whole network, whose classes are code \(\S+LSTM\) and are not run; give exa"
    for read in (source(None).check, lambda: loaded(source(None))):
        with pytest.raises(CheckpointError, match=message):
            read()


def test_weights_of_another_network_are_told_by_their_first_keys(source, folder, weights):
    other = {f"x.{key}": value for key, value in weights.items() if key != "linear.bias"}
    torch.save(other, folder / "model.pt")
    message = r"missing: colours.weight, colours.bias, linear.weight and 1 more; unexpected: x.col"
    with pytest.raises(CheckpointError, match=message):
        loaded(source())


def test_a_prefix_that_makes_the_names_fit_is_taken_off_and_said(source, folder, weights):
    state = {f"net.{key}": value for key, value in weights.items()}
    torch.save({"state_dict": {**state, "criterion.weight": torch.ones(3)}}, folder / "model.pt")
    model = loaded(source())
    assert model.classifier.accuracy(model.samples.images, model.samples.labels) == 1
    assert model.warnings == (
        "the prefix 'net.' was taken off the weights' names",
        "weights that the network does not have were ignored: criterion.weight",
    )


def test_prefixes_of_parallel_training_are_taken_off(source, folder, weights):
    torch.save({f"module.{key}": value for key, value in weights.items()}, folder / "model.pt")
    model = loaded(source())
    assert model.classifier.accuracy(model.samples.images, model.samples.labels) == 1


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("nothing", "names 'nothing', which is not in .*; it has: colours, probabilities, broken"),
        ("broken", "broken raised OSError: no disk; it must build the network without reading"),
        ("number", r"must return a torch.nn.Module; .* returned a int"),
    ],
)
def test_a_factory_that_is_no_use_is_named(source, factory, message):
    with pytest.raises(ValueError, match=message):
        loaded(source(factory))


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("probabilities", "the network without its final softmax"),
        ("Functional", "the logarithm of the network's probabilities"),
    ],
)
def test_probabilities_are_turned_into_logits_and_said(source, factory, said):
    model = loaded(source(factory))
    (warning,) = model.warnings
    assert warning == f"the network returns probabilities; logits are taken from {said}"
    logits = model.classifier.predict(model.samples.images)
    expected = loaded(source()).classifier.predict(model.samples.images)
    assert torch.allclose(logits.softmax(dim=1), expected.softmax(dim=1), atol=1e-5)
    assert not torch.allclose(logits.exp().sum(dim=1), torch.tensor(2.0))


def test_the_preprocessing_reaches_the_network(source):
    scaled = FolderPreprocess(size=None, crop=None, mean=(0.0,) * 3, std=(2.0,) * 3, scaling="byte")
    model = loaded(source(preprocess=scaled))
    plain = loaded(source()).classifier.network
    expected = plain(model.samples.images * 255 / 2)
    assert torch.allclose(model.classifier.predict(model.samples.images), expected, rtol=1e-4)


@pytest.mark.parametrize("changed", ["model.pt", "images/0/0.png", "factory.py"])
def test_the_fingerprint_changes_with_every_file_that_is_read(source, folder, changed):
    before = source().fingerprint()
    assert source().fingerprint() == before
    path = folder / changed
    path.write_bytes(path.read_bytes() + b"\n")
    assert source().fingerprint() != before


def test_a_keras_file_needs_no_name_and_one_that_is_no_chain_says_which_layer(
    source, folder, weights
):
    """The planted network, as Keras would have saved it; then with a Lambda layer."""
    saved = {
        "colours": {"kernel": weights["colours.weight"].permute(2, 3, 1, 0).numpy()},
        "linear": {"kernel": weights["linear.weight"].T.numpy()},
    }
    for name, values in saved.items():
        values["bias"] = weights[f"{name}.bias"].numpy()
    layers = [
        keras.conv("colours", 4, (1, 1), activation="relu"),
        keras.layer("GlobalAveragePooling2D", "pool"),
        keras.layer("Dense", "linear", units=3, activation="linear"),
    ]
    path = keras.whole(folder / "k.h5", keras.sequential(layers, (None, 16, 16, 3)), saved)
    model = loaded(source(None, model=str(path)))
    assert model.classifier.accuracy(model.samples.images, model.samples.labels) == 1
    layers.insert(0, keras.layer("Lambda", "evil"))
    keras.whole(path, keras.sequential(layers), saved)
    message = "k.h5 has a Lambda layer, evil, which is code; give exactly one of archit"
    with pytest.raises(CheckpointError, match=message):
        loaded(source(None, model=str(path)))
    named = loaded(source(model=str(path)))
    assert named.classifier.accuracy(named.samples.images, named.samples.labels) == 1
    assert "fitted by their order" in named.warnings[0]


def test_batch_norms_can_take_the_images_statistics(source, folder):
    network = build("plain_cnn", num_classes=3).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean += 5
    torch.save(network.state_dict(), folder / "model.pt")
    stored = loaded(source(None, architecture="plain_cnn"))
    taken = loaded(source(None, architecture="plain_cnn", batch_statistics="images"))
    images = stored.samples.images
    assert torch.allclose(stored.classifier.predict(images), network(images), atol=1e-5)
    expected = network.train()(images)
    assert torch.allclose(taken.classifier.predict(images), expected, atol=0.3)


def test_a_hubs_folder_says_all_but_the_images(tmp_path):
    pytest.importorskip("transformers")
    hub_folders.transformers_folder(tmp_path / "convnext", "convnext")
    hub_folders.image_folders(tmp_path / "images", num_per_class=2)
    nothing = FolderPreprocess(size=None, crop=None, mean=None, std=None, scaling=None)
    dataset = FolderDataset(
        name="folder",
        model=str(tmp_path / "convnext"),
        images=str(tmp_path / "images"),
        architecture=None,
        factory=None,
        num_classes=None,
        weights=None,
        preprocess=nothing,
        limit_per_class=2,
    )
    dataset.check()
    loaded = dataset.load(dataset.model_ids()[0])
    assert dataset.model_ids() == ("convnext",)
    assert loaded.samples.class_names == hub_folders.NAMES
    assert loaded.samples.counts() == [2, 2, 2, 2]
    assert loaded.classifier.preprocessing.mean == (0.5, 0.5, 0.5)
    assert any("as preprocessor_config.json says" in warning for warning in loaded.warnings)
    before = dataset.fingerprint()
    (tmp_path / "convnext" / "preprocessor_config.json").write_text("{}")
    assert dataset.fingerprint() != before
