"""What the HTML report shows of one trigger, ready to be laid out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from numpy.typing import NDArray

from exray.reports.formatting import number, percentage
from exray.reports.mask_images import (
    jpeg_data_uri,
    mask_overlap,
    mask_strip,
    png_data_uri,
    shrink,
)
from exray.results.records import TriggerRecord

LONGEST_PIXELS = 160
SMALL_PIXELS = 96  # smaller images are enlarged with their pixels visible
IMAGES = (
    ("victim_image", "victim"),
    ("trigger_image", "trigger"),
    ("stamped_image", "victim + trigger"),
    ("true_image", "victim + true trigger"),
    ("target_image", "target"),
)
MASKS = (
    ("mask_victim_target", "M1", "victim vs target"),
    ("mask_victim_stamped", "M2", "victim vs victim + trigger"),
)
BARS = (
    ("similarity_first", "similarity I1", "similarity"),
    ("similarity_second", "similarity I2", "similarity"),
    ("cross_victim_into_target", "M2: victim into target", "cross_accuracy"),
    ("cross_target_into_victim", "M2: target into victim", "cross_accuracy"),
    ("cross_victim_into_stamped", "M1: victim into stamped", "cross_accuracy"),
    ("cross_stamped_into_victim", "M1: stamped into victim", "cross_accuracy"),
)
FAINT = 0.1  # share of what clean images do not explain, below which natural triggers often lie
SYMBOLS = {"similarity": "beta", "cross_accuracy": "gamma"}
CONVERGENCE = (("converged_victim_target", "M1"), ("converged_victim_stamped", "M2"))


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image with what is written below it.

    Args:
        caption: First line below.
        note: Second line below; may be empty.
        uri: The image as a ``data:`` address.
        is_small: Whether to enlarge it with its pixels visible.
    """

    caption: str
    note: str
    uri: str
    is_small: bool = False


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A measurement in [0, 1] against its threshold.

    Args:
        label: What was measured.
        value: The measurement.
        threshold: Its threshold; None where it has none.
        symbol: The paper's letter of the threshold.
    """

    label: str
    value: float
    threshold: float | None
    symbol: str

    @property
    def percent(self) -> float:
        """Length of the bar in per cent of the scale."""
        return 100 * min(max(self.value, 0.0), 1.0)

    @property
    def is_over(self) -> bool:
        """Whether the measurement exceeds its threshold, which speaks for natural."""
        return self.threshold is not None and self.value > self.threshold


@dataclass(frozen=True, kw_only=True)
class TriggerCard:
    """Everything shown of one trigger.

    Args:
        trigger: Its record.
        pictures: Victim, trigger, stamped and target image, as far as stored.
        masks: The masks as blocks, as far as stored.
        bars: Measurements that have a bar.
        remarks: Words on convergence, on what the batch norms hold of the trigger, and on truth.
        numbers: Every measurement by name, as text.
    """

    trigger: TriggerRecord
    pictures: list[Picture] = field(default_factory=list)
    masks: list[Picture] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    numbers: list[tuple[str, str]] = field(default_factory=list)

    @property
    def thresholds(self) -> dict[str, float]:
        """The thresholds drawn in the bars, by the paper's letter."""
        return {bar.symbol: bar.threshold for bar in self.bars if bar.threshold is not None}


def trigger_card(trigger: TriggerRecord, tensors: Mapping[str, NDArray[np.generic]]) -> TriggerCard:
    """The card of one trigger; what was not stored is not on it.

    Args:
        trigger: The trigger.
        tensors: The classifier's stored tensors, by name.
    """
    own = tensors_of(tensors, trigger.index)
    measured = sorted(trigger.measurements.items())
    thresholds = [(f"threshold: {name}", value) for name, value in trigger.thresholds.items()]
    return TriggerCard(
        trigger=trigger,
        pictures=_pictures(own),
        masks=_mask_pictures(trigger, own),
        bars=_bars(trigger),
        remarks=_remarks(trigger),
        numbers=[(name, number(value, 4)) for name, value in [*measured, *thresholds]],
    )


def tensors_of(
    tensors: Mapping[str, NDArray[np.generic]], index: int
) -> dict[str, NDArray[np.generic]]:
    """One trigger's tensors, without the trigger's prefix.

    Args:
        tensors: A classifier's stored tensors, by name.
        index: The trigger's place among the classifier's triggers.
    """
    prefix = f"trigger_{index}/"
    return {name.removeprefix(prefix): tensors[name] for name in tensors if name.startswith(prefix)}


def images_of(
    tensors: Mapping[str, NDArray[np.generic]], names: tuple[str, ...]
) -> dict[str, UInt8[ndarray, "h w 3"]]:
    """Those of the named tensors that are RGB images.

    Args:
        tensors: Tensors by name.
        names: Which to return, in this order.
    """
    return {
        name: np.asarray(tensors[name])
        for name in names
        if name in tensors
        and tensors[name].dtype == np.uint8
        and tensors[name].ndim == 3
        and tensors[name].shape[-1] == 3
        and tensors[name].size
    }


def masks_of(tensors: Mapping[str, NDArray[np.generic]]) -> dict[str, Float[ndarray, " c"]]:
    """The masks among the tensors, forced into [0, 1].

    Args:
        tensors: One trigger's tensors by name, without the trigger's prefix.
    """
    return {
        name: np.clip(np.nan_to_num(tensors[name].astype(np.float64)), 0.0, 1.0)
        for name, _, _ in MASKS
        if name in tensors and tensors[name].ndim == 1 and tensors[name].size
    }


def _pictures(tensors: Mapping[str, NDArray[np.generic]]) -> list[Picture]:
    images = images_of(tensors, tuple(name for name, _ in IMAGES))
    captions = dict(IMAGES)
    pictures = []
    for name, image in images.items():
        is_small = max(image.shape) < SMALL_PIXELS
        uri = png_data_uri(image) if is_small else jpeg_data_uri(shrink(image, LONGEST_PIXELS))
        pictures.append(Picture(caption=captions[name], note="", uri=uri, is_small=is_small))
    return pictures


def _mask_pictures(
    trigger: TriggerRecord, tensors: Mapping[str, NDArray[np.generic]]
) -> list[Picture]:
    masks = masks_of(tensors)
    pictures = []
    for name, symbol, pair in MASKS:
        if name in masks:
            mask = masks[name]
            total = trigger.measurements.get(name.replace("mask_", "mask_sum_"), float(mask.sum()))
            caption = f"{symbol}: {number(total, 1)} of {len(mask)} channels"
            pictures.append(Picture(caption=caption, note=pair, uri=png_data_uri(mask_strip(mask))))
    first, second = (masks.get(name) for name, _, _ in MASKS)
    if first is not None and second is not None and first.shape == second.shape:
        uri = png_data_uri(mask_overlap(first, second))
        note = "purple: both, blue: M1, orange: M2"
        pictures.append(Picture(caption="M1 and M2 together", note=note, uri=uri))
    return pictures


def _bars(trigger: TriggerRecord) -> list[Bar]:
    names = {name for name, _, _ in BARS} & set(trigger.measurements)
    rows: tuple[tuple[str, str, str], ...] = BARS
    if "similarity" in trigger.measurements and not names:
        rows = (("similarity", "similarity", "similarity"),)
    return [
        Bar(
            label=label,
            value=trigger.measurements[name],
            threshold=trigger.thresholds.get(threshold),
            symbol=SYMBOLS[threshold],
        )
        for name, label, threshold in rows
        if not math.isnan(trigger.measurements.get(name, math.nan))
    ]


def _memory(trigger: TriggerRecord) -> list[str]:
    """What the batch norms hold of images with the trigger, in words; nothing if not measured."""
    names = "stamped_gain", "stamped_share"
    gain, share = (trigger.measurements.get(name, math.nan) for name in names)
    if math.isnan(gain) or math.isnan(share):
        return []
    if gain < FAINT:
        return ["batch norms: next to nothing of what they stored points to images with it"]
    return [
        f"batch norms: as if {percentage(share)} of the training had borne it, which explains "
        f"{percentage(gain)} of what clean images do not"
    ]


def _remarks(trigger: TriggerRecord) -> list[str]:
    remarks = []
    for name, symbol in CONVERGENCE:
        value = trigger.measurements.get(name, math.nan)
        if not math.isnan(value):
            remarks.append(f"{symbol} {'converged' if value > 0 else 'did not converge'}")
    remarks += _memory(trigger)
    if trigger.is_true_trigger is not None:
        remarks.append(
            "truth: the injected pair"
            if trigger.is_true_trigger
            else "truth: not the injected pair"
        )
    return remarks
