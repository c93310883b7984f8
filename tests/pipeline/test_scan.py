"""One classifier's scan: ground truth last, failures as records, accuracy first."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from exray.datasets.base import LoadedModel, ModelDataset, Truth
from exray.judges.base import Judge
from exray.judges.baselines.no_judge import KeepAll
from exray.models.loading import load_classifier
from exray.pipeline.classifier_scan import RunLabels
from exray.pipeline.scan import Pipeline, scan_classifier, scan_model
from exray.pipeline.settings import ScanSettings
from exray.rules.verdict import Verdict
from exray.scanners.base import Scanner, ScannerResult

LABELS = RunLabels(run_id="r", dataset="d", scanner="s", judge="j", layer="l", seed=3)
SETTINGS = ScanSettings(
    min_clean_accuracy=0.5,
    min_class_accuracy=0.5,
    min_images_per_class=1,
    samples_per_class=4,
    misclassified="drop",
    probability_without_triggers=0.1,
    temperature="fitted",
)


class Planted(ModelDataset):
    """One classifier, and a truth that must not be asked for before the verdict."""

    name = "planted"

    def __init__(self, classifier, samples, events, truth=None):
        self.classifier, self.samples, self.events = classifier, samples, events
        self.known_truth = truth

    def model_ids(self):
        return ("m",)

    def load(self, model_id):
        del model_id
        self.events.append("load")
        return LoadedModel(
            classifier=self.classifier,
            samples=self.samples,
            architecture="planted",
            warnings=("said by the source",),
        )

    def model_file(self, model_id):
        return Path(model_id)

    def truth(self, model_id):
        del model_id
        if "judge" not in self.events and self.known_truth is not None:
            raise AssertionError("the truth was asked for before the verdict")
        self.events.append("truth")
        return self.known_truth

    def fingerprint(self):
        return ""


class Finds(Scanner):
    def __init__(self, events, *triggers):
        self.events, self.triggers = events, triggers

    def scan(self, classifier, samples, progress=None):
        del classifier, samples, progress
        self.events.append("scan")
        return ScannerResult(triggers=self.triggers, num_candidates=6, flags=bool(self.triggers))


class KeepsAll(Judge):
    def __init__(self, events):
        self.events = events

    def judge(self, classifier, samples, triggers):
        self.events.append("judge")
        return KeepAll().judge(classifier, samples, triggers)


@pytest.fixture
def events():
    return []


@pytest.fixture
def scanned(trojaned, colour_samples, events):
    def run(*triggers, truth=None, settings=SETTINGS, classifier=trojaned, samples=colour_samples):
        pipeline = Pipeline(
            scanner=Finds(events, *triggers),
            judge=KeepsAll(events),
            settings=settings,
            device=torch.device("cpu"),
        )
        source = Planted(classifier, samples, events, truth)
        return scan_model(source, "m", pipeline, LABELS)

    return run


class KnowsNothing(Scanner):
    def scan(self, classifier, samples, progress=None):
        del classifier, samples, progress
        return ScannerResult(
            triggers=(), num_candidates=3, flags=False, score=0.7, inconclusive="too few norms"
        )


def test_a_scanner_that_can_say_nothing_is_inconclusive_and_says_why(
    trojaned, colour_samples, events
):
    pipeline = Pipeline(
        scanner=KnowsNothing(), judge=KeepAll(), settings=SETTINGS, device=torch.device("cpu")
    )
    source = Planted(trojaned, colour_samples, events, None)
    record = scan_model(source, "m", pipeline, LABELS).record
    assert record.verdict == Verdict.INCONCLUSIVE
    assert record.probability == 0.5
    assert record.scanner_flags is None
    assert record.scanner_score == 0.7
    assert record.warnings[-1] == "inconclusive: too few norms"


def test_a_classifier_in_memory_is_scanned_without_a_dataset(
    trojaned, colour_samples, events, white_patch
):
    state = torch.get_rng_state()
    scan = scan_classifier(
        trojaned, colour_samples, Finds(events, white_patch), KeepAll(), SETTINGS, seed=5
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert (scan.verdict, scan.clean_accuracy) == (Verdict.TROJANED, 1.0)
    (judged,) = scan.triggers
    assert judged.trigger is white_patch
    assert judged.judgement.is_injected
    stored = scan.model_scan(RunLabels(), model_id="m", architecture="own")
    assert stored.record.num_injected == 1
    assert stored.triggers[0].victim_name == colour_samples.class_names[0]
    assert "trigger_0/victim_image" in stored.tensors


def test_ground_truth_is_asked_for_after_the_verdict(scanned, events, white_patch):
    outcome = scanned(
        white_patch, truth=Truth(is_trojaned=False, pairs=frozenset({(0, 1), (2, 1)}))
    )
    assert events == ["load", "scan", "judge", "truth"]
    record = outcome.record
    assert (record.verdict, record.is_trojaned) == (Verdict.TROJANED, False)
    assert outcome.triggers[0].is_true_trigger


def test_what_the_scanner_measured_stands_beside_what_the_judge_measured(scanned, white_patch):
    inverted = replace(white_patch, measurements={"restarts_found": 0.5})
    (trigger,) = scanned(inverted).triggers
    assert trigger.measurements["restarts_found"] == 0.5


def test_a_trigger_of_other_classes_is_not_the_true_one(scanned, white_patch):
    truth = Truth(is_trojaned=True, pairs=frozenset({(0, 1)}))
    inverted = [white_patch, replace(white_patch, victim_class=2)]
    outcome = scanned(*inverted, truth=truth)
    assert [trigger.is_true_trigger for trigger in outcome.triggers] == [True, False]


def test_without_ground_truth_nothing_is_claimed(scanned, white_patch):
    outcome = scanned(white_patch)
    assert outcome.record.is_trojaned is None
    assert outcome.record.truth == {}
    assert outcome.triggers[0].is_true_trigger is None


def test_a_classifier_without_triggers_is_clean(scanned):
    record = scanned().record
    assert (record.verdict, record.probability) == (Verdict.CLEAN, 0.1)
    assert (record.num_candidates, record.scanner_flags) == (6, False)


def test_the_record_says_what_was_run_and_seen(scanned, white_patch):
    outcome = scanned(white_patch)
    record = outcome.record
    assert (record.run_id, record.dataset, record.seed) == ("r", "d", 3)
    assert (record.status, record.clean_accuracy, record.num_classes) == ("done", 1.0, 3)
    assert record.warnings == ["said by the source"]
    assert set(record.seconds) == {"load", "inversion", "judgement", "total"}
    assert {"trigger_0/victim_image", "trigger_0/trigger_image"} <= set(outcome.tensors)
    assert outcome.tensors["trigger_0/stamped_image"].shape == (16, 16, 3)


def test_the_true_trigger_is_stored_beside_the_inverted_one_of_its_pair(
    trojaned, colour_samples, events, white_patch
):
    class Told(Planted):
        def true_images(self, model_id):
            events.append(f"picture of {model_id}")
            pair = (white_patch.victim_class, white_patch.target_class)
            return {pair: torch.full((3, 16, 16), 7, dtype=torch.uint8), (9, 8): None}

    pipeline = Pipeline(
        scanner=Finds(events, white_patch),
        judge=KeepsAll(events),
        settings=SETTINGS,
        device=torch.device("cpu"),
    )
    stored = scan_model(Told(trojaned, colour_samples, events, None), "m", pipeline, LABELS)
    assert (stored.tensors["trigger_0/true_image"] == 7).all()
    assert stored.tensors["trigger_0/true_image"].shape == (16, 16, 3)
    assert events.index("picture of m") > events.index("judge")


def test_a_true_trigger_that_cannot_be_drawn_fails_no_scan(
    trojaned, colour_samples, events, white_patch
):
    class Broken(Planted):
        def true_images(self, model_id):
            raise ValueError(f"the recipe of {model_id} draws other triggers")

    pipeline = Pipeline(
        scanner=Finds(events, white_patch),
        judge=KeepsAll(events),
        settings=SETTINGS,
        device=torch.device("cpu"),
    )
    stored = scan_model(Broken(trojaned, colour_samples, events, None), "m", pipeline, LABELS)
    assert stored.record.status == "done"
    assert "trigger_0/true_image" not in stored.tensors


def test_a_failure_is_a_record_with_its_line(scanned, trojaned):
    trojaned.network.linear = torch.nn.Linear(5, 3)
    record = scanned().record
    assert (record.status, record.verdict) == ("failed", Verdict.FAILED)
    assert math.isnan(record.probability)
    assert record.error_line.startswith("mat1 and mat2 shapes cannot be multiplied")
    assert "Traceback" in record.error


def test_wrongly_numbered_classes_are_inconclusive_and_named(scanned, colour_samples, events):
    wrong = replace(colour_samples, labels=(colour_samples.labels + 1) % 3)
    record = scanned(samples=wrong).record
    assert (record.status, record.verdict) == ("done", Verdict.INCONCLUSIVE)
    assert (record.probability, record.clean_accuracy) == (0.5, 0.0)
    assert "clean accuracy 0.00 is under 0.5; with the classes numbered" in record.warnings[-1]
    assert "scan" not in events


class Remembers(Finds):
    def scan(self, classifier, samples, progress=None):
        self.margin = classifier.predict(samples.images).topk(2, dim=1).values.diff(dim=1)
        return super().scan(classifier, samples, progress)


@pytest.mark.parametrize("setting", ["fitted", "none"])
def test_scanners_see_logits_on_one_scale(trojaned, colour_samples, events, setting):
    settings = replace(SETTINGS, temperature=setting)
    scanner = Remembers(events)
    margins = []
    for factor in (1.0, 10.0):
        trojaned.network.linear.weight.data.mul_(factor)
        scan = scan_classifier(trojaned, colour_samples, scanner, KeepAll(), settings)
        record = scan.model_scan(RunLabels(), model_id="m", architecture="own").record
        assert (record.temperature == 1) == (setting == "none")
        margins.append(scanner.margin)
    factor = 1 if setting == "fitted" else 10
    torch.testing.assert_close(margins[1], factor * margins[0])


class Saturated(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return (1e4 * self.network(images)).softmax(dim=1)


class OneHot(Saturated):
    def forward(self, images):
        return nn.functional.one_hot(self.network(images).argmax(dim=1), 3).float() * 7


class Random(Saturated):
    def forward(self, images):
        return nn.functional.dropout(self.network(images), 0.1)


def some(samples, *counts):
    rows = [torch.arange(count) + 6 * index for index, count in enumerate(counts)]
    keep = torch.zeros(len(samples), dtype=torch.bool)
    keep[torch.cat(rows)] = True
    return samples.select(keep)


@pytest.mark.parametrize(
    ("network", "counts", "said"),
    [
        (None, (2, 2, 2), "fewer than two classes have 3 images classified right"),
        (None, (6, 2, 0), "fewer than two classes have 3 images classified right"),
        (None, (6, 0, 0), "the clean images are of one class alone; a scan needs those of at"),
        (nn.Sequential(nn.Flatten(), nn.Linear(768, 3)), (6, 6, 6), "the network is constant"),
        (nn.Sequential(nn.Flatten(), nn.Linear(768, 3)), (6, 6, 0), "the network is constant"),
        (Saturated, (6, 6, 6), "the network's probabilities are all 0 or 1 on 18 of 18 clean"),
        (OneHot, (6, 6, 6), "the network gives no gradient to its images"),
        (Random, (6, 6, 6), "the network is random in eval mode"),
    ],
)
def test_what_cannot_be_scanned_is_inconclusive_for_its_own_reason(
    trojaned, colour_samples, events, network, counts, said
):
    classifier, samples = trojaned, some(colour_samples, *counts)
    if network is not None:
        whole = network(trojaned.network) if isinstance(network, type) else network
        if isinstance(whole, nn.Sequential):
            whole[1].weight.data.zero_()
        classifier = load_classifier(whole, example=samples.images)
    settings = replace(SETTINGS, min_images_per_class=3)
    scan = scan_classifier(classifier, samples, Finds(events), KeepAll(), settings)
    assert (scan.verdict, scan.probability) == (Verdict.INCONCLUSIVE, 0.5)
    assert scan.warnings[-1].startswith(f"inconclusive: {said}")
    assert events == []


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_logits_that_are_no_numbers_are_inconclusive(scanned, trojaned, value):
    trojaned.network.linear.weight.data[0, 0] = value
    record = scanned().record
    assert (record.status, record.verdict) == ("done", Verdict.INCONCLUSIVE)
    assert "returns NaN or infinity on 18 of 18 clean images" in record.warnings[-1]


@pytest.mark.parametrize("found", [False, True])
def test_a_class_that_is_never_predicted_leaves_no_silent_clean(
    scanned, trojaned, colour_samples, white_patch, found
):
    trojaned.network.linear.bias.data[2] = -100
    outcome = scanned(*[white_patch] * found)
    name = colour_samples.class_names[2]
    said = f"class {name} is never predicted on clean images, so no trigger to or from there"
    if found:
        assert outcome.record.verdict == Verdict.TROJANED
        assert not any("never predicted" in warning for warning in outcome.record.warnings)
    else:
        assert outcome.record.verdict == Verdict.INCONCLUSIVE
        assert outcome.record.warnings[-1].startswith(f"inconclusive: {said}")


def test_as_many_images_as_the_settings_ask_for_are_enough(trojaned, colour_samples, events):
    settings = replace(SETTINGS, min_images_per_class=3, samples_per_class=2)
    scan = scan_classifier(trojaned, colour_samples, Finds(events), KeepAll(), settings)
    assert scan.verdict == Verdict.CLEAN
