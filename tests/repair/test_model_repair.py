"""One model's repair as a record: failures too, and the truth last."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from exray.datasets.base import LoadedModel, ModelDataset, Truth
from exray.judges.baselines.no_judge import KeepAll
from exray.pipeline.classifier_scan import RunLabels
from exray.pipeline.scan import Pipeline
from exray.presets.presets import component_named
from exray.repair.model_repair import RepairPipeline, repair_model
from exray.repair.output import provenance_of
from exray.scanners.base import Scanner, ScannerResult

pytestmark = pytest.mark.usefixtures("one_thread")
LABELS = RunLabels(run_id="r", dataset="d", scanner="s", judge="j", layer="l", seed=3)


class Planted(ModelDataset):
    name = "planted"

    def __init__(self, classifier, samples, folder):
        self.classifier, self.samples, self.folder = classifier, samples, folder

    def model_ids(self):
        return ("m",)

    def load(self, model_id):
        del model_id
        return LoadedModel(classifier=self.classifier, samples=self.samples, architecture="planted")

    def model_file(self, model_id):
        path = Path(self.folder / model_id)
        path.write_bytes(b"weights")
        return path

    def truth(self, model_id):
        del model_id
        return Truth(
            is_trojaned=True,
            pairs=frozenset({(0, 1)}),
            kind="patch",
            details={"trigger_reach": "1 victim"},
        )

    def fingerprint(self):
        return ""


class FindsWhite(Scanner):
    """Finds the white patch as long as it flips its victim."""

    def __init__(self, trigger, asr_of):
        self.trigger, self.asr_of = trigger, asr_of

    def scan(self, classifier, samples, progress=None):
        del progress
        flips = self.asr_of(classifier, self.trigger, samples) > 0.5
        return ScannerResult(
            triggers=(self.trigger,) if flips else (), num_candidates=1, flags=flips
        )


@pytest.fixture
def pipeline(unlearning, settings, white_patch, asr_of):
    return RepairPipeline(
        method=unlearning,
        settings=settings,
        scans=Pipeline(
            scanner=FindsWhite(white_patch, asr_of),
            judge=KeepAll(),
            settings=component_named("scan", "default"),
            device=torch.device("cpu"),
        ),
        force=False,
        described={"name": "unlearning"},
    )


def test_a_repair_is_recorded_and_its_weights_are_written(
    pipeline, trojaned, colour_samples, tmp_path
):
    source = Planted(trojaned, colour_samples, tmp_path)
    out = tmp_path / "new.safetensors"
    record = repair_model(source, "m", pipeline, LABELS, method="unlearning", output=out)
    assert (record.status, record.reasons, record.weights) == ("repaired", [], str(out))
    assert (record.before.verdict, record.after.verdict) == ("trojaned", "clean")
    assert (record.is_trojaned, record.trigger_kind) == (True, "patch")
    assert record.trigger_reach == "1 victim"
    assert (record.num_learned, record.num_held_out) == (9, 9)
    assert record.true_accuracy_before is None  # the dataset has no test images
    assert provenance_of(out)["from_file"] == "m"


def test_a_model_without_triggers_is_a_record_of_nothing(
    pipeline, clean_twin, colour_samples, tmp_path
):
    source = Planted(clean_twin, colour_samples, tmp_path)
    out = tmp_path / "new.safetensors"
    record = repair_model(source, "m", pipeline, LABELS, method="unlearning", output=out)
    assert record.status == "nothing"
    assert record.reasons == ["it is clean: there is no trigger to unlearn"]
    assert not out.exists()


def test_a_failure_is_a_record(pipeline, trojaned, colour_samples, tmp_path):
    few = colour_samples.limited(2)
    record = repair_model(
        Planted(trojaned, few, tmp_path),
        "m",
        pipeline,
        LABELS,
        method="unlearning",
        output=tmp_path / "new.safetensors",
    )
    assert record.status == "failed"
    assert record.reasons[0].startswith("a repair needs 4 different images of every class")
    assert record.seconds > 0


def test_all_pairs_need_a_search(pipeline):
    with pytest.raises(ValueError, match="all_pairs needs sizes, which says how patches are searc"):
        replace(pipeline, all_pairs=True)
