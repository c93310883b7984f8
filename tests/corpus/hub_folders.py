"""Folders as model hubs store them, made with transformers' and timm's own classes."""

import json

import torch
from PIL import Image

SIDE = 32
NAMES = ("heron", "lynx", "otter", "viper")
# As large as they need to be to have two blocks, or stages, to cut between.
TRANSFORMERS = {
    "vit": ("ViT", {"num_hidden_layers": 3, "patch_size": 8}),
    "deit": ("DeiT", {"num_hidden_layers": 3, "patch_size": 8}),
    "beit": ("Beit", {"num_hidden_layers": 3, "patch_size": 8}),
    "swin": (
        "Swin",
        {"embed_dim": 16, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4, "patch_size": 4},
    ),
    "convnext": ("ConvNext", {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 2, 1]}),
    "resnet": (
        "ResNet",
        {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"},
    ),
}
_TOKENS = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
TIMM = {
    "vit_tiny_patch16_224": {"patch_size": 8, "depth": 3, "embed_dim": 32, "num_heads": 2},
    "deit_tiny_patch16_224": {"patch_size": 8, "depth": 3, "embed_dim": 32, "num_heads": 2},
    "beit_base_patch16_224": {"patch_size": 8, "depth": 3, "embed_dim": 32, "num_heads": 2},
    "swin_tiny_patch4_window7_224": {
        "patch_size": 2, "window_size": 4, "embed_dim": 16, "depths": (2, 2), "num_heads": (2, 4),
    },
    "convnext_atto": {"depths": (1, 1, 2, 1), "dims": (8, 16, 24, 32)},
}  # fmt: skip


def transformers_folder(place, kind, *, names=NAMES, training_steps=0, **saving):
    """A folder that ``save_pretrained`` wrote, with a preprocessor; the network, too."""
    import transformers

    title, settings = TRANSFORMERS[kind]
    tokens = _TOKENS if "num_hidden_layers" in settings else {}
    config = getattr(transformers, f"{title}Config")(
        **settings, **tokens, image_size=SIDE, id2label=dict(enumerate(names))
    )
    torch.manual_seed(0)
    network = getattr(transformers, f"{title}ForImageClassification")(config)
    if training_steps:
        train(lambda images: network(images).logits, network, training_steps)
    network.eval().save_pretrained(place, **saving)
    processor = {
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"height": SIDE, "width": SIDE},
    }
    (place / "preprocessor_config.json").write_text(json.dumps(processor))
    return network


def timm_folder(place, name, *, names=NAMES, training_steps=0):
    """A folder as timm pushes one; the network, too."""
    import timm
    from timm.models import save_for_hf

    torch.manual_seed(0)
    size = {} if name.startswith("convnext") else {"img_size": SIDE}
    network = timm.create_model(name, num_classes=len(names), **size, **TIMM[name])
    if training_steps:
        train(network, network, training_steps)
    data = {"input_size": (3, SIDE, SIDE), "mean": (0.5,) * 3, "std": (0.5,) * 3, "crop_pct": 1.0}
    save_for_hf(
        network.eval(),
        place,
        model_config={"label_names": list(names), "pretrained_cfg": data},
        safe_serialization=True,
    )
    return network


def pictures(num_per_class, seed=0):
    """Noisy images of four classes, each with bars of its own direction and colour."""
    stream = torch.Generator().manual_seed(seed)
    images, labels = [], []
    for label in range(len(NAMES)):
        for _ in range(num_per_class):
            image = 0.35 * torch.rand(3, SIDE, SIDE, generator=stream)
            start = int(torch.randint(4, (1,), generator=stream))
            bars = image if label % 2 else image.transpose(1, 2)
            bars[label // 2, start::8] += 0.6
            bars[label // 2, start + 1 :: 8] += 0.6
            images.append(image.clamp(0, 1))
            labels.append(label)
    return torch.stack(images), torch.tensor(labels)


def train(logits_of, network, steps):
    """Trains a network briefly on the pictures, normalised as its preprocessor says."""
    images, labels = pictures(32)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    network.train()
    for step in range(steps):
        rows = torch.randperm(len(images), generator=torch.Generator().manual_seed(step))[:32]
        loss = torch.nn.functional.cross_entropy(logits_of(2 * images[rows] - 1), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def image_folders(place, num_per_class=4, names=NAMES):
    """The pictures as files, a folder for each class by its name."""
    images, labels = pictures(num_per_class, seed=1)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = place / names[int(label)]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = (255 * image).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return place
