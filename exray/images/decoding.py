"""One image file as RGB in [0, 1], whatever way it was stored."""

import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from exray.images.interpolation import RESAMPLING, Interpolation
from exray.images.listing import Stored, file_entry

# Not every format that Pillow knows: some, such as EPS, start another program.
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "PPM", "GIF", "TIFF")
MAX_PIXELS = 89_478_485  # the bar above which Pillow suspects a decompression bomb
_SIXTEEN_BIT = 65535
_ORIENTATION = 0x0112  # EXIF's tag
_SPARE = 3  # a JPEG is decoded at no less than so many times the size that is asked for


def read_image(
    path: Path,
    *,
    size: int | None,
    crop: int | None,
    exif_orientation: bool = False,
    interpolation: Interpolation = "bilinear",
) -> Float[Tensor, "3 h w"]:
    """An image file as RGB in [0, 1], resized and cropped.

    Grey, palette and CMYK images become RGB, 16-bit grey is scaled by 65535. Transparency is
    dropped and images stay as they are stored, whatever their EXIF orientation, as training code
    has it that reads images with torchvision's ``ImageFolder``. Of an animation the first frame is
    taken. A JPEG that is many times as large as ``size`` is decoded at a half, a quarter or an
    eighth of its size, still three times as large, which takes a fraction of time and memory.

    Args:
        path: A PNG, JPEG, BMP, WEBP, PPM, GIF or TIFF file.
        size: Side in pixels. Without ``crop`` both sides become this long; with it the shorter
            side does. None leaves the size.
        crop: Side in pixels of the square cut out of the centre after resizing; None for none.
        exif_orientation: Whether the image is turned as its EXIF orientation says.
        interpolation: Of the resizing, as Pillow does it: with antialiasing, but for ``nearest``.

    Returns:
        The image, in float32.

    Raises:
        ValueError: If ``size`` or ``crop`` is not positive or ``crop`` exceeds ``size``, or if the
            file is missing, broken, too large, smaller than ``crop``, or no image.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "red.png"
        >>> Image.new("RGB", (4, 2), "red").save(path)
        >>> read_image(path, size=2, crop=None)[:, 0, 0]
        tensor([1., 0., 0.])
    """
    check_geometry(size, crop)
    data = file_entry(path).read()
    return decode_image(
        data,
        name=str(path),
        size=size,
        crop=crop,
        exif_orientation=exif_orientation,
        interpolation=interpolation,
    )


def decode_image(
    data: Stored,
    *,
    name: str,
    size: int | None,
    crop: int | None,
    exif_orientation: bool = False,
    interpolation: Interpolation = "bilinear",
) -> Float[Tensor, "3 h w"]:
    """A stored image as RGB in [0, 1], resized and cropped as by :func:`read_image`.

    Args:
        data: The whole file, or pixels of one channel or three.
        name: What messages call it.
        size: See :func:`read_image`.
        crop: See :func:`read_image`.
        exif_orientation: See :func:`read_image`.
        interpolation: See :func:`read_image`.

    Raises:
        ValueError: See :func:`read_image`.
    """
    check_geometry(size, crop)
    if isinstance(data, np.ndarray):
        pixels = data[..., 0] if data.shape[2] == 1 else data
        image = Image.fromarray(pixels).convert("RGB")
        return _to_tensor(
            _placed(image, image.size, interpolation, name=name, size=size, crop=crop)
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            image, full_size = _opened(data, size, exif_orientation=exif_orientation)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise ValueError(
                f"image {name} has more than {MAX_PIXELS} pixels, as a decompression bomb has; "
                "make it smaller or leave it out"
            ) from error
        except UnidentifiedImageError as error:
            raise ValueError(
                f"image {name} is no image that can be read; "
                f"convert it to one of {', '.join(_FORMATS)} or leave it out"
            ) from error
        # A decoder raises whatever a broken file leads it to: OSError, SyntaxError, struct.error...
        except Exception as error:
            raise ValueError(
                f"image {name} is truncated or damaged ({error}); replace it or leave it out"
            ) from error
    return _to_tensor(_placed(image, full_size, interpolation, name=name, size=size, crop=crop))


def is_rotated(data: bytes) -> bool:
    """Whether an image file's EXIF orientation is another than upright; its pixels are not read.

    Args:
        data: The whole file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(BytesIO(data), formats=_FORMATS) as source:
                return source.getexif().get(_ORIENTATION, 1) in range(2, 9)
    except Exception:  # broken metadata, which raises whatever its bytes lead to, turns nothing
        return False


def check_geometry(size: int | None, crop: int | None) -> None:
    """Refuse sizes that no image could be brought to.

    Args:
        size: Side to resize to, in pixels, or None.
        crop: Side of the centre crop, in pixels, or None.

    Raises:
        ValueError: If one is not positive, or ``crop`` exceeds ``size``.

    Example:
        >>> check_geometry(256, 224)
    """
    for key, value in (("size", size), ("crop", crop)):
        if value is not None and not 0 < value <= 16384:
            raise ValueError(
                f"{key} must be a number of pixels from 1 to 16384, or null for none; got {value}"
            )
    if size is not None and crop is not None and crop > size:
        raise ValueError(f"crop must not exceed size, which is {size}; got {crop}")


def _opened(
    data: bytes, size: int | None, *, exif_orientation: bool
) -> tuple[Image.Image, tuple[int, int]]:
    """The decoded image and the size that its file says; a large JPEG is decoded smaller."""
    with Image.open(BytesIO(data), formats=_FORMATS) as source:
        full_size = source.size
        if source.width * source.height > MAX_PIXELS:  # whatever Image.MAX_IMAGE_PIXELS is set to
            raise Image.DecompressionBombError
        if size is not None:
            source.draft(None, (_SPARE * size, _SPARE * size))
        source.load()
        if not exif_orientation:
            return _without_palette(source), full_size
        if source.getexif().get(_ORIENTATION) in (5, 6, 7, 8):  # a quarter turn
            full_size = full_size[::-1]
        return _without_palette(ImageOps.exif_transpose(source)), full_size


def _without_palette(image: Image.Image) -> Image.Image:
    """An image in mode RGB, or in mode F where it has 16 bits a pixel."""
    if image.mode == "F":
        return _deep_grey(np.asarray(image, dtype=np.float32), largest=1)
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _deep_grey(np.asarray(image, dtype=np.float32), largest=_SIXTEEN_BIT)
    return image.convert("RGB")


def _deep_grey(values: np.ndarray, *, largest: int) -> Image.Image:
    """Grey values scaled to [0, 1] without rounding them to 8 bits."""
    if not (values.min() >= 0 and values.max() <= largest):
        raise ValueError(
            f"grey values must lie in [0, {largest}], but run from {values.min():g} "
            f"to {values.max():g}"
        )
    return Image.fromarray(np.ascontiguousarray(values / np.float32(largest)))


def _placed(
    image: Image.Image,
    full_size: tuple[int, int],
    interpolation: Interpolation,
    *,
    name: str,
    size: int | None,
    crop: int | None,
) -> Image.Image:
    """The image resized, then its centre cut out."""
    if size is not None:
        width, height = size, size
        if crop is not None:
            shorter = min(full_size)
            width, height = (size * side // shorter for side in full_size)
        if width * height > MAX_PIXELS:
            raise ValueError(
                f"image {name} is {full_size[0]} x {full_size[1]} pixels, too narrow to be resized "
                f"to a shorter side of {size}; leave it out"
            )
        scale = round(full_size[0] / image.width)  # of a JPEG that was decoded smaller
        box = (0, 0, full_size[0] / scale, full_size[1] / scale)
        image = image.resize((width, height), RESAMPLING[interpolation], box=box)
    if crop is None:
        return image
    if min(image.size) < crop:
        raise ValueError(
            f"image {name} is {image.width} x {image.height} pixels, smaller than "
            f"crop={crop}; set size to at least {crop}"
        )
    left, top = round((image.width - crop) / 2), round((image.height - crop) / 2)
    return image.crop((left, top, left + crop, top + crop))


def _to_tensor(image: Image.Image) -> Float[Tensor, "3 h w"]:
    if image.mode == "F":
        grey = torch.from_numpy(np.array(image, dtype=np.float32))
        return grey.clamp(0, 1).expand(3, -1, -1).contiguous()
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div(255)
