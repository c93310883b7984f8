"""Listed images decoded, and what is said of them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from exray.images import decoded as module
from exray.images.decoded import decode_listing, read_labelled
from exray.images.folder_listing import list_folder
from exray.images.listing import ImageEntry, ImageListing


def save(path, seed=0, **options):
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def decode(root, limit=None, **options):
    listing = list_folder(root)
    return decode_listing(listing, size=None, crop=None, limit_per_class=limit, **options)


def pixels(value):
    return np.full((2, 2, 3), value, dtype=np.uint8)


def test_no_more_images_are_read_than_are_used(tmp_path, monkeypatch):
    for index in range(30):
        save(tmp_path / str(index % 3) / f"{index}.png", index)
    (tmp_path / "0" / "0.png").write_bytes(b"broken")
    names = []

    def counted(data, *, name, **options):
        names.append(name)
        return decode_image(data, name=name, **options)

    decode_image = module.decode_image
    monkeypatch.setattr(module, "decode_image", counted)
    images = decode(tmp_path, limit=2).labelled(3)
    assert images.samples.counts() == [2, 2, 2]
    assert len(names) == 7


def test_rotated_images_stay_as_they_are_stored_and_are_counted(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "0" / "a.jpg", 0)
    save(tmp_path / "0" / "b.jpg", 1, exif=exif)
    save(tmp_path / "1" / "c.jpg", 2)
    save(tmp_path / "1" / "d.jpg", 3)
    folder = decode(tmp_path).labelled(2)
    assert folder.samples.images.shape == (4, 3, 6, 8)
    (warning,) = folder.warnings
    assert warning.startswith("1 image with an EXIF orientation taken as stored, as torchvision's")
    assert "b.jpg; --exif-orientation (dataset.preprocess.exif_or" in warning
    with pytest.raises(ValueError, match=r"a.jpg is 8 x 6 and .*b.jpg is 6 x 8"):
        decode(tmp_path, exif_orientation=True)
    (tmp_path / "0" / "a.jpg").unlink()
    (tmp_path / "1" / "c.jpg").unlink()
    (tmp_path / "1" / "d.jpg").unlink()
    turned = decode(tmp_path, exif_orientation=True)
    assert turned.images.shape == (1, 3, 8, 6)
    assert turned.remarks[0].startswith("1 image with an EXIF orientation turned upright")


def test_images_that_are_there_twice_are_counted(tmp_path):
    for name, seed in (("0/a", 0), ("0/b", 0), ("0/c", 1), ("1/a", 1), ("1/b", 2)):
        save(tmp_path / f"{name}.png", seed)
    warnings = decode(tmp_path).labelled(2).warnings
    assert warnings == (
        "1 of 5 images repeat another of their class",
        "1 image is in more than one class (one in 0, 1): labels are wrong, or the classes are not "
        "what they seem",
    )


def test_unequal_numbers_of_images_are_said(tmp_path):
    for index in range(8):
        save(tmp_path / "0" / f"{index}.png", index)
    for index in range(2):
        save(tmp_path / "1" / f"{index}.png", 8 + index)
    said = "the classes' images are unbalanced, from 2 to 8; the fewest has class 1"
    assert decode(tmp_path).labelled(2).warnings == (said,)
    assert decode(tmp_path, limit=7).labelled(2).warnings == ()


def test_pixels_are_taken_as_files_are():
    entries = {
        5: [ImageEntry(name="grey", read=lambda: np.full((2, 2, 1), 51, dtype=np.uint8))],
        2: [ImageEntry(name="red", read=lambda: pixels((255, 0, 0)))],
    }
    listing = ImageListing(
        place=Path("memory"), entries=entries, written={5: "5", 2: "2"}, names={2: "red"}
    )
    images = decode_listing(listing, size=4, crop=2, limit_per_class=None)
    samples = images.labelled(6).samples
    assert samples.labels.tolist() == [2, 5]
    assert samples.class_names[1:3] == ("class 1", "red")
    assert torch.equal(samples.images[0, :, 0, 0], torch.tensor([1.0, 0, 0]))
    assert samples.images[1].unique().tolist() == pytest.approx([0.2])


def test_the_models_own_names_reach_the_samples(tmp_path):
    save(tmp_path / "Dog" / "a.png", 0)
    save(tmp_path / "Dog" / "b.png", 1)
    folder = decode(tmp_path).labelled(3, class_indices={"cat": 0, "dog": 1, "eel": 2})
    assert folder.samples.class_names == ("cat", "dog", "eel")
    assert folder.samples.labels.tolist() == [1, 1]
    assert folder.warnings[0].endswith("by the names that the model gives its classes")


def test_a_place_is_named_where_its_classes_are_not_the_classifiers(tmp_path):
    save(tmp_path / "dog" / "a.png")
    with pytest.raises(ValueError, match=f"{tmp_path}: class 'dog' is neither an index nor a name"):
        decode(tmp_path).labelled(3)


def test_labels_of_any_kind_are_counted_on_their_own():
    files = [("a", 1), ("b", 2), ("a", 3), ("b", 4)]
    labels, images, unreadable = read_labelled(
        files, lambda value: torch.full((3, 1, 1), value / 8), limit_per_class=1
    )
    assert labels == ["a", "b"]
    assert [float(image[0, 0, 0]) for image in images] == [0.125, 0.25]
    assert unreadable == []
