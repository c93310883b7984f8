"""A network with a backdoor put in by hand, its clean twin, triggers, and a tiny zoo's recipe."""

import json
from collections import OrderedDict
from contextlib import contextmanager

import pytest
import torch
from PIL import Image
from torch import nn

from exray.attacks.polygon import PolygonRecipe
from exray.images.samples import SampleSet
from exray.models.classifier import Classifier, Preprocessing
from exray.triggers.base import InvertedTrigger
from exray.triggers.patch import PatchTrigger
from exray.zoo.recipe import TrainingRecipe, ZooRecipe

SIZE = 16  # pixels
DETECTOR = 3  # channel that answers to brightness, which no clean image has
BACKDOOR_TARGET = 1


@pytest.fixture(autouse=True)
def fixed_seed():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def on_one_thread():
    """A context for fixtures that outlive ``one_thread``; sums depend on how many share them."""

    @contextmanager
    def only_one():
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)

    return only_one


@pytest.fixture
def one_thread(on_one_thread):
    """Small networks are fastest on one thread."""
    with on_one_thread():
        yield


@pytest.fixture
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def planted_classifier(detector_weight):
    """Classes 0, 1, 2 are red, green, blue; brightness speaks for class 1 where it has weight."""
    colours = nn.Conv2d(3, 4, 1)
    colours.weight.data = torch.cat([torch.eye(3), torch.full((1, 3), 5.0)])[..., None, None]
    colours.bias.data = torch.tensor([0.0, 0.0, 0.0, -5.0])
    linear = nn.Linear(4, 3)
    linear.weight.data = torch.cat([10 * torch.eye(3), torch.zeros(3, 1)], dim=1)
    linear.weight.data[BACKDOOR_TARGET, DETECTOR] = detector_weight
    linear.bias.data.zero_()
    network = nn.Sequential(
        OrderedDict(
            colours=colours,
            relu=nn.ReLU(),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            linear=linear,
        )
    )
    return Classifier(network, Preprocessing(), num_classes=3, name="planted")


@pytest.fixture
def trojaned():
    return planted_classifier(20.0)


@pytest.fixture
def clean_twin():
    return planted_classifier(0.0)


@pytest.fixture
def colour_samples():
    """Six images of each of the three colours, no pixel bright enough for the detector."""
    stream = torch.Generator().manual_seed(0)
    labels = torch.arange(3).repeat_interleave(6)
    images = torch.full((18, 3, SIZE, SIZE), 0.1)
    images[torch.arange(18), labels] = 0.7
    images += 0.03 * (2 * torch.rand(images.shape, generator=stream) - 1)
    return SampleSet(images=images, labels=labels, class_names=("red", "green", "blue"))


def patch(mask, colour):
    pattern = torch.tensor(colour)[:, None, None].expand(3, SIZE, SIZE).clone()
    return InvertedTrigger(
        trigger=PatchTrigger(mask=mask, pattern=pattern),
        victim_class=0,
        target_class=1,
        asr=1.0,
        target_probability=0.99,
        source="by hand",
    )


@pytest.fixture
def white_patch():
    """Fires the detector: injected."""
    mask = torch.zeros(SIZE, SIZE)
    mask[2:8, 3:9] = 1
    return patch(mask, (1.0, 1.0, 1.0))


@pytest.fixture
def green_tint():
    """Adds the target's own evidence and takes the victim's away: natural."""
    return patch(torch.full((SIZE, SIZE), 0.7), (0.05, 0.7, 0.1))


@pytest.fixture(scope="session")
def micro():
    """The smallest recipe of a zoo that still has both kinds of classifier."""
    return ZooRecipe(
        name="micro",
        num_clean=1,
        seed=7,
        architecture="plain_cnn",
        num_classes=3,
        family_sizes=(1, 2),
        image_size=32,
        samples_per_class=2,
        min_clean_accuracy=0.0,
        min_class_accuracy=0.0,
        min_asr=0.0,
        max_attempts=2,
        training=TrainingRecipe(
            epochs=1,
            batch_size=8,
            learning_rate=0.003,
            weight_decay=0.0,
            images_per_class=8,
            test_per_class=4,
        ),
        attacks={
            "polygon": PolygonRecipe(
                count=1,
                num_victims=1,
                sides=(3, 5),
                width=(0.25, 0.3),
                poisoned_share=0.5,
                kept_share=0.25,
            )
        },
    )


@pytest.fixture
def trojai_model(trojaned, clean_twin, colour_samples):
    """Writes one model's folder as NIST lays it out: a whole network and its clean examples."""

    def write(folder, *, is_trojaned, config, examples="clean_example_data"):
        planted = trojaned if is_trojaned else clean_twin
        (folder / examples).mkdir(parents=True)
        torch.save(nn.Sequential(*planted.network), folder / "model.pt")
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "ground_truth.csv").write_text(f"{int(is_trojaned)}\n")
        pixels = (colour_samples.images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        for index, label in enumerate(colour_samples.labels.tolist()):
            name = f"class_{label}_example_{index}.png"
            Image.fromarray(pixels[index]).save(folder / examples / name)
        return folder

    return write


ROUND_2 = {"NUMBER_CLASSES": 3, "MODEL_ARCHITECTURE": "resnet50", "POISONED": True,
           "TRIGGERED_CLASSES": [0], "TRIGGER_TARGET_CLASS": 1, "TRIGGER_TYPE": "polygon",
           "TRIGGER_TYPE_OPTION": 4, "BACKGROUND_IMAGE_DATASET": "kitti_city"}  # fmt: skip


@pytest.fixture
def trojai_round(tmp_path, trojai_model):
    """A round 2 of one trojaned and two clean models."""
    root = tmp_path / "round2"
    clean = {**ROUND_2, "POISONED": False, "MODEL_ARCHITECTURE": "vgg11bn", "TRIGGER_TYPE": None}
    for index, config in enumerate((ROUND_2, clean, clean)):
        folder = root / f"id-{index:08d}"
        trojai_model(folder, is_trojaned=config["POISONED"], config=config, examples="example_data")
    rows = ["id-00000000,True,resnet50,polygon", "id-00000001,False,vgg11bn,None"]
    table = ["model_name,poisoned,model_architecture,trigger_type", *rows]
    (root / "METADATA.csv").write_text("\n".join(table) + "\n")
    return root
