"""Reads how an image processor of transformers prepares images, without building one."""

from collections.abc import Mapping
from pathlib import Path

from exray.errors import CheckpointError
from exray.models.declared_input import DeclaredInput, Interpolation
from exray.models.hub.folder import PREPROCESSOR
from exray.text import shown

# By Pillow's numbers, which transformers writes.
_RESAMPLE: Mapping[int, Interpolation] = {
    0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box",
}  # fmt: skip
_BYTE = 255
_WARPED_FROM = 384  # pixels, from which ConvNeXt's processor does not crop
_MAX_SIDE = 16384
_WAY_OUT = "give size, crop, mean, std and scaling yourself"


def declared_by(values: Mapping[str, object], path: Path) -> DeclaredInput:
    """What ``preprocessor_config.json`` says of an image's way into the network.

    Rescaling and normalising are one affine map of values in [0, 1] for each channel, so they come
    as one mean and one std. Keys that old files lack have the values that image processors had
    then: images are resized bilinearly, divided by 255 and normalised.

    Args:
        values: The file's content.
        path: The folder, for messages.

    Raises:
        CheckpointError: If a value is none that an image processor has.

    Example:
        >>> old = {"size": 224, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
        >>> declared_by(old, Path("vit")).description
        'size 224, bilinear, mean 0.5, 0.5, 0.5, std 0.5, 0.5, 0.5'
    """
    size, crop, remarks = _geometry(values, path)
    mean, std = _affine(values, path)
    resample = values.get("resample")
    if resample is not None and (type(resample) is not int or resample not in _RESAMPLE):
        raise _refusal(path, "resample", resample)
    code = values.get("auto_map") or values.get("custom_pipelines")
    if code:
        remarks = (*remarks, f"{PREPROCESSOR} names code of its own, which was not run")
    return DeclaredInput(
        source=PREPROCESSOR,
        size=size,
        crop=crop,
        interpolation=_RESAMPLE[2 if resample is None else resample],
        mean=mean,
        std=std,
        remarks=remarks,
    )


def _geometry(
    values: Mapping[str, object], path: Path
) -> tuple[int | None, int | None, tuple[str, ...]]:
    """Size, crop and remarks."""
    crop_pct = values.get("crop_pct")
    crops = values.get("do_center_crop", "crop_size" in values)
    crop = _square(values.get("crop_size"), path, "crop_size") if crops else None
    if not values.get("do_resize", True):
        return None, crop, ()
    declared = values.get("size")
    size = _square(declared, path, "size")
    by_shorter_side = isinstance(declared, dict) and "shortest_edge" in declared
    if size is None:
        text = f"{PREPROCESSOR} makes images of {shown(str(declared), 80)}; they stay as they are"
        return None, crop, (text,) if declared is not None else ()
    if crop_pct is not None:  # ConvNeXt's and ResNet's
        if not isinstance(crop_pct, int | float) or not 0 < crop_pct <= 1:
            raise _refusal(path, "crop_pct", crop_pct)
        return (size, None, ()) if size >= _WARPED_FROM else (int(size / crop_pct), size, ())
    if crop is None:
        return size, size if by_shorter_side else None, ()
    if crop > size:
        raise _refusal(path, "crop_size", crop)
    text = "images are resized by their shorter side, and not stretched, before they are cropped"
    return size, crop, () if by_shorter_side else (text,)


def _square(side: object, path: Path, key: str) -> int | None:
    """The side of a square in pixels; None where it is none, or not said."""
    if isinstance(side, dict):
        sides = [side.get("height"), side.get("width")]
        side = side["shortest_edge"] if "shortest_edge" in side else sides[0]
        if sides[0] != sides[1]:
            return None
    if isinstance(side, list) and len(side) == 2 and side[0] == side[1]:
        side = side[0]
    if side is None:
        return None
    if type(side) is not int or not 0 < side <= _MAX_SIDE:
        raise _refusal(path, key, side)
    return side


def _affine(
    values: Mapping[str, object], path: Path
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std for values in [0, 1], rescaling included."""
    factor = values.get("rescale_factor", 1 / _BYTE) if values.get("do_rescale", True) else 1.0
    if not isinstance(factor, int | float) or not factor > 0:
        raise _refusal(path, "rescale_factor", factor)
    scale = factor * _BYTE
    scale = 1.0 if abs(scale - 1) < 1e-6 else scale
    offset = 1.0 if values.get("rescale_offset") else 0.0
    mean, std = [0.0], [1.0]
    if values.get("do_normalize", True) and values.get("image_mean") is not None:
        mean, std = (_numbers(values, key, path) for key in ("image_mean", "image_std"))
        if min(std) <= 0 or len(mean) != len(std):
            raise _refusal(path, "image_std", std)
    again = std if values.get("include_top") else [1.0] * len(std)  # EfficientNet's divides twice
    means = tuple((value + offset) / scale for value in mean)
    stds = tuple(value * other / scale for value, other in zip(std, again, strict=True))
    if set(means) == {0.0} and set(stds) == {1.0}:
        return (), ()
    return means, stds


def _numbers(values: Mapping[str, object], key: str, path: Path) -> list[float]:
    numbers = values.get(key)
    numbers = [numbers] if isinstance(numbers, int | float) else numbers
    if not isinstance(numbers, list) or len(numbers) not in (1, 3):
        raise _refusal(path, key, numbers)
    if any(not isinstance(number, int | float) or abs(number) > 1e6 for number in numbers):
        raise _refusal(path, key, numbers)
    return [float(number) for number in numbers]


def _refusal(path: Path, key: str, value: object) -> CheckpointError:
    problem = f"has {PREPROCESSOR} with {key} = {shown(repr(value), 80)}, which nothing has"
    return CheckpointError(path, problem, _WAY_OUT)
