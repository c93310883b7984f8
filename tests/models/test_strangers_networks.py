"""Networks as people have them: each loads and is scanned, or is told why not and what mends it."""

import re
from dataclasses import replace

import pytest
from strangers_networks import CASES, INCONCLUSIVE, REFUSED, SCANNED, TABLE, answer, images_of

from exray.models.batch_statistics import with_image_statistics
from exray.models.classifier import Preprocessing
from exray.models.loading import load_classifier

pytestmark = pytest.mark.usefixtures("one_thread")

OF_TIMM = [name for name, case in CASES.items() if case.source == "timm"]
MENDED = {
    "BGR": Preprocessing(channels="bgr"),
    "pixels from 0 to 255": Preprocessing(scaling="byte"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_network_is_scanned_or_told_why_not(name):
    if name in OF_TIMM:
        pytest.importorskip("timm")
    kind, said = answer(CASES[name])
    assert kind == CASES[name].now
    assert re.search(CASES[name].said, said)


def test_more_than_nine_in_ten_are_answered_and_the_manual_lists_them():
    assert len(CASES) >= 34
    assert all(case.now in (SCANNED, INCONCLUSIVE) for case in CASES.values())
    assert all(case.said for case in CASES.values() if case.now == INCONCLUSIVE)
    assert sum(case.before == REFUSED for case in CASES.values()) >= 12
    page = TABLE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?!network |---)(.+?) \| .+? \| (\w+) \| (\w+) \|", page, re.MULTILINE)
    assert rows == [(name, case.before, case.now) for name, case in CASES.items()]


@pytest.mark.parametrize("name", MENDED)
def test_what_is_advised_makes_a_network_right(name):
    case = CASES[name]
    samples = images_of()
    mended = load_classifier(case.make(), example=samples.images, preprocessing=MENDED[name])
    kind, said = answer(replace(case, make=lambda: (mended, samples)))
    assert kind == SCANNED, said


def test_batch_norms_with_the_images_statistics_are_right():
    case = CASES["batch norms right in training mode alone"]
    samples = images_of()
    mended = with_image_statistics(
        load_classifier(case.make(), example=samples.images), samples.images
    )
    kind, said = answer(replace(case, make=lambda: (mended, samples)))
    assert kind == SCANNED, said
