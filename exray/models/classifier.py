"""The thing scanned: a frozen network with its preprocessing."""

import contextlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from exray.models.temperature import is_usable, tempered

Scaling = Literal["unit", "min_max", "byte"]
SCALINGS: tuple[Scaling, ...] = ("unit", "min_max", "byte")
Channels = Literal["auto", "rgb", "bgr", "grey", "rgba"]
CHANNELS: tuple[Channels, ...] = ("auto", "rgb", "bgr", "grey", "rgba")
Layout = Literal["channels_first", "channels_last"]
LAYOUTS: tuple[Layout, ...] = ("channels_first", "channels_last")
Precision = Literal["float32", "bfloat16"]
_LUMA = (0.299, 0.587, 0.114)  # of red, green and blue; ITU-R BT.601, as Pillow's mode L
_NO_FILE: Mapping[str, str | int] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What happens to an RGB image in [0, 1] before the network sees it.

    Args:
        channels: ``rgb`` leaves them; ``bgr`` turns them round, as OpenCV reads images; ``grey``
            makes one of them; ``rgba`` adds an opaque fourth. ``auto`` is ``rgb`` until a network
            is loaded whose first convolution takes one channel or four.
        scaling: ``unit`` leaves [0, 1]; ``min_max`` stretches each image to [0, 1] (TrojAI R2's
            reference code); ``byte`` multiplies by 255.
        mean: Subtracted per channel after scaling, in the network's order of channels; empty for
            none.
        std: Divided by per channel after the mean; empty for none.
        layout: ``channels_last`` hands the network n x h x w x c, as TensorFlow has it.

    Raises:
        ValueError: If ``scaling``, ``channels`` or ``layout`` is unknown, ``std`` holds a number
            that is not positive, or mean and std differ in length.

    Example:
        >>> prepare = Preprocessing(scaling="unit", mean=(0.5,), std=(0.25,))
        >>> prepare(torch.full((1, 1, 1, 1), 0.75)).item()
        1.0
    """

    scaling: Scaling = "unit"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    channels: Channels = "auto"
    layout: Layout = "channels_first"

    def __post_init__(self) -> None:
        choices = (("scaling", SCALINGS), ("channels", CHANNELS), ("layout", LAYOUTS))
        for name, known in choices:
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be one of {', '.join(known)}; got {getattr(self, name)!r}"
                )
        if any(not isinstance(v, float | int) or v <= 0 for v in self.std):
            raise ValueError(f"std must hold positive numbers; got {list(self.std)}")
        if self.mean and self.std and len(self.mean) != len(self.std):
            raise ValueError(
                f"mean and std must be as long; got {len(self.mean)} and {len(self.std)} numbers"
            )

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n ..."]:
        """The images as the network wants them."""
        images = _arranged(images, self.channels)
        if self.scaling == "min_max":
            low = images.amin(dim=(1, 2, 3), keepdim=True)
            images = (images - low) / (images.amax(dim=(1, 2, 3), keepdim=True) - low + 1e-12)
        elif self.scaling == "byte":
            images = images * 255
        if self.mean:
            images = images - images.new_tensor(self.mean).view(-1, 1, 1)
        if self.std:
            images = images / images.new_tensor(self.std).view(-1, 1, 1)
        return images if self.layout == "channels_first" else images.permute(0, 2, 3, 1)


def _arranged(images: Float[Tensor, "n c h w"], channels: Channels) -> Float[Tensor, "n d h w"]:
    """RGB images with the channels that a network takes."""
    if channels == "bgr":
        return images.flip(1)
    if channels == "grey":
        return (images * images.new_tensor(_LUMA).view(-1, 1, 1)).sum(dim=1, keepdim=True)
    if channels == "rgba":
        return torch.cat([images, torch.ones_like(images[:, :1])], dim=1)
    return images


class _Prepared(nn.Module):
    """Preprocessing and network in one module, so that both are traced and cut together."""

    def __init__(self, network: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network = network
        self.preprocessing = preprocessing

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        logits: Tensor = self.network(self.preprocessing(images))
        return logits


class Classifier:
    """A frozen network in eval mode that takes images in [0, 1] and gives logits.

    The network is taken over: it is put into eval mode and its parameters stop requiring
    gradients. Its values are never changed.

    Args:
        network: Takes preprocessed images, returns one logit per class.
        preprocessing: Applied before the network.
        num_classes: Number of logits.
        name: What messages and records call it.
        file_report: What the static inspection of its file reported, by a readable name; empty
            for a network that came from no file.
        warnings: What the user should know about how it was loaded, one sentence each.
        temperature: What the network's outputs are divided by, above 0.
        precision: ``bfloat16`` computes convolutions and products under torch's autocast, faster
            where the device has them; images and logits stay as they are.

    Raises:
        ValueError: If the temperature is not above 0.

    Example:
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
        >>> classifier = Classifier(network, Preprocessing(), num_classes=5, name="linear")
        >>> classifier(torch.rand(2, 3, 2, 2)).shape
        torch.Size([2, 5])
    """

    def __init__(
        self,
        network: nn.Module,
        preprocessing: Preprocessing,
        *,
        num_classes: int,
        name: str,
        file_report: Mapping[str, str | int] = _NO_FILE,
        warnings: tuple[str, ...] = (),
        temperature: float = 1.0,
        precision: Precision = "float32",
    ) -> None:
        if not is_usable(temperature):
            raise ValueError(f"temperature must be above 0 and finite; got {temperature!r}")
        self.network = network.eval().requires_grad_(False)
        self.preprocessing = preprocessing
        self.num_classes = num_classes
        self.name = name
        # What it was cut into, by layer and by device and form of the images.
        self.splits: dict[tuple[str, tuple[Hashable, ...]], object] = {}
        self.file_report = file_report
        self.warnings = warnings
        self.temperature = temperature
        self.precision: Precision = precision

    def tempered(self, temperature: float) -> "Classifier":
        """The same network with logits divided by a temperature; this classifier stays.

        Args:
            temperature: Above 0; above 1 for smaller logits.

        Raises:
            ValueError: If the temperature is not above 0.
        """
        return self._with(self.network, self.temperature * temperature)

    def preprocessed(self, preprocessing: Preprocessing) -> "Classifier":
        """The same network behind another preprocessing; this classifier stays.

        Args:
            preprocessing: Applied before the network in place of this one's.
        """
        other = self._with(self.network, self.temperature)
        other.preprocessing = preprocessing
        return other

    def in_precision(self, precision: Precision) -> "Classifier":
        """The same network in another precision; this classifier stays.

        Args:
            precision: See the class.
        """
        other = self._with(self.network, self.temperature)
        other.precision = precision
        return other

    def computing(self) -> contextlib.AbstractContextManager[object]:
        """The precision of the network, or of a part of it, while the block runs."""
        if self.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def around(self, network: nn.Module) -> "Classifier":
        """This classifier with another network of the same outputs in place of its own.

        Args:
            network: The other network, which is taken over.
        """
        return self._with(network, self.temperature)

    def _with(self, network: nn.Module, temperature: float) -> "Classifier":
        return Classifier(
            network,
            self.preprocessing,
            num_classes=self.num_classes,
            name=self.name,
            file_report=self.file_report,
            warnings=self.warnings,
            temperature=temperature,
            precision=self.precision,
        )

    @property
    def module(self) -> nn.Module:
        """Preprocessing and network as one module, which returns this classifier's logits."""
        return tempered(_Prepared(self.network, self.preprocessing), self.temperature).eval()

    @property
    def device(self) -> torch.device:
        """Where the network's parameters lie."""
        first = next(self.network.parameters(), None)
        return torch.device("cpu") if first is None else first.device

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Logits of the images."""
        with self.computing():
            logits: Tensor = self.network(self.preprocessing(images))
        if self.precision != "float32":
            logits = logits.to(images.dtype)
        return logits if self.temperature == 1 else logits / self.temperature

    @torch.no_grad()
    def predict(
        self, images: Float[Tensor, "n c h w"], *, batch_size: int = 256
    ) -> Float[Tensor, "n k"]:
        """Logits of many images, in batches and without gradients."""
        chunks = [self(chunk) for chunk in torch.split(images, batch_size)]
        return torch.cat(chunks) if chunks else images.new_zeros(0, self.num_classes)

    def accuracy(self, images: Float[Tensor, "n c h w"], labels: Int[Tensor, " n"]) -> float:
        """Share of images whose highest logit is their label's; nan without images."""
        hits = self.predict(images).argmax(dim=1) == labels
        return float(hits.double().mean())
