"""Changes under which no prediction changes leave the verdict, and the probability nearly."""

from pathlib import Path

import pytest
import torch

import exray
from exray.datasets.zoo import embedded_root, open_zoo
from exray.pipeline.preparation import prepare
from exray.presets.presets import component_named

pytestmark = pytest.mark.usefixtures("one_thread")

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
MODELS = ("id-00000003", "id-00000002")  # a trojaned one and a clean one, both judged right
PER_CLASS = 4  # images
TOLERANCE = 0.05  # of the probability
REFUSED = ("whole pickle",)
NAMES = (
    "x0.01", "x0.1", "x3", "x10", "x1000", "+100", "classes permuted", "channels permuted",
    "identity inserted", "norms folded", "fp16 weights", "16-bit images", "state dict",
    "safetensors", "factory", "rounded input",
)  # fmt: skip
SAME_NETWORK = ("16-bit images", "state dict", "safetensors", "factory")
QUICK = [(MODELS[0], "x10"), (MODELS[0], "rounded input")]


@pytest.fixture
def same_predictions(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import same_predictions

    return same_predictions


@pytest.fixture
def case_of(same_predictions):
    zoo = open_zoo(embedded_root("signs_mini"))

    def make(model_id):
        model = zoo.load(model_id)
        entry = zoo.manifest().entry(model_id)
        samples = model.samples.limited(PER_CLASS)
        return same_predictions.of_entry(model.classifier.network, samples, entry)

    return make


def scanned(given):
    """A scan on a short schedule."""
    scanner = exray.make_scanner("abs", stimulation__targets_per_victim=1)
    judge = exray.make_judge("exray_calibrated", mask__epochs=40)
    return exray.scan(given.classifier, given.samples, scanner=scanner, judge=judge)


@pytest.fixture(scope="module")
def plain_reports():
    return {}


def test_every_transformation_is_tested(same_predictions):
    assert {*NAMES, *REFUSED} == set(same_predictions.TRANSFORMATIONS)


@pytest.mark.parametrize("name", NAMES)
def test_no_prediction_changes(same_predictions, case_of, tmp_path, name):
    case = case_of(MODELS[0])
    given = same_predictions.TRANSFORMATIONS[name](case, tmp_path)
    expected = (case.classifier(case.samples.images).argmax(dim=1) == case.samples.labels).sum()
    right = given.classifier(given.samples.images).argmax(dim=1) == given.samples.labels
    assert right.sum() == expected


@pytest.mark.parametrize("name", ["x0.01", "x0.1", "x3", "x10", "x1000", *SAME_NETWORK])
def test_tempered_margins_stay(same_predictions, case_of, tmp_path, name):
    case = case_of(MODELS[0])
    given = same_predictions.TRANSFORMATIONS[name](case, tmp_path)
    settings = component_named("scan", "default")
    one, other = (
        prepare(each.classifier, each.samples, settings)
        for each in (same_predictions.plain(case), given)
    )
    assert other.selection.remarks == one.selection.remarks
    images = one.selection.samples.images
    assert torch.equal(other.selection.samples.images, images)
    torch.testing.assert_close(other.classifier(images), one.classifier(images))


@pytest.mark.parametrize(
    ("model_id", "name"),
    [
        pytest.param(model_id, name, marks=[] if (model_id, name) in QUICK else [pytest.mark.slow])
        for model_id in MODELS
        for name in NAMES
    ],
)
def test_verdict_and_probability_stay(
    same_predictions, case_of, plain_reports, tmp_path, name, model_id
):
    case = case_of(model_id)
    if model_id not in plain_reports:
        plain_reports[model_id] = scanned(same_predictions.plain(case))
    before = plain_reports[model_id]
    after = scanned(same_predictions.TRANSFORMATIONS[name](case, tmp_path))
    assert after.verdict == before.verdict
    assert after.probability == pytest.approx(before.probability, abs=TOLERANCE)
