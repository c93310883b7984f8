"""The picture of the models that rows of a table get wrong."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from exray.experiments.misjudged import DecisiveTrigger, MisjudgedModel
from exray.experiments.misjudged_figure import LIMIT, MisjudgedRow, headline, misjudged_png

TRIGGER = DecisiveTrigger(
    index=1,
    victim=3,
    target=2,
    source="abs_filter",
    is_true=False,
    score=0.61,
    similarity=0.49,
    weakest_cross=0.0,
)
CLEAN = MisjudgedModel(
    model_id="id-0", is_trojaned=False, kind="", probability=0.61, trigger=TRIGGER
)


def pixels_of(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def painted(index, colour):
    names = ("victim_image", "trigger_image", "stamped_image", "target_image")
    image = np.zeros((16, 16, 3), np.uint8)
    image[:, :4] = colour
    return {f"trigger_{index}/{name}": image for name in names}


def test_the_headline_tells_truth_pair_scanner_and_measurements():
    assert headline(CLEAN) == (
        "id-0: clean, flagged; 3 to 2 (abs_filter)\nsimilarity 0.49, weakest cross 0.00, score 0.61"
    )
    injected = replace(TRIGGER, is_true=True)
    missed = replace(CLEAN, is_trojaned=True, kind="polygon", trigger=injected)
    assert "polygon, missed; 3 to 2 (abs_filter), the injected pair" in headline(missed)


def test_the_images_of_the_deciding_trigger_are_drawn_and_of_no_other():
    tensors = painted(0, (255, 0, 255)) | painted(1, (0, 255, 0))
    row = MisjudgedRow(name="exray", models=[CLEAN], tensors={"id-0": tensors})
    pixels = pixels_of(misjudged_png([row]))
    green, black = ((pixels == colour).all(axis=-1).sum() for colour in ((0, 255, 0), 0))
    assert green > 4 * 20 * 100  # four images, a quarter of each, of about 100 pixels
    assert black / green == pytest.approx(3.0, rel=0.2)
    assert not (pixels == (255, 0, 255)).all(axis=-1).any()


def test_a_row_draws_no_more_than_the_limit_and_says_so():
    several = [replace(CLEAN, model_id=f"id-{place}") for place in range(LIMIT + 2)]
    row = MisjudgedRow(name="exray", models=several, tensors={})
    assert row.caption == "exray: 10 clean but flagged, 0 trojaned but missed; 8 drawn"
    assert replace(row, models=several[:1]).caption.endswith("missed")


def test_rows_of_different_lengths_and_models_without_a_trigger_are_drawn():
    missed = replace(CLEAN, is_trojaned=True, kind="blend", trigger=None)
    rows = [
        MisjudgedRow(name="exray", models=[CLEAN, missed], tensors={"id-0": painted(1, (9, 9, 9))}),
        MisjudgedRow(name="other", models=[missed], tensors={}),
    ]
    alone, together = pixels_of(misjudged_png(rows[1:])), pixels_of(misjudged_png(rows))
    assert together.shape[1] > 1.9 * alone.shape[1]
    assert together.shape[0] > 1.5 * alone.shape[0]


def test_nothing_wrong_is_no_picture():
    with pytest.raises(ValueError, match="rows must hold a misjudged model to draw"):
        misjudged_png([MisjudgedRow(name="exray", models=[], tensors={})])
