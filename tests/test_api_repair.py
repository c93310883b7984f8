"""Repair as a library function: a report with the repaired classifier, and a file on request."""

import subprocess
import sys

import pytest
import torch
from torch import nn

import exray
from exray.repair.fine_tuning import FineTuning
from exray.repair.loop import NothingToRepairError
from exray.repair.output import provenance_of
from exray.repair.settings import RepairSettings
from exray.repair.unlearning import Unlearning
from exray.scanners.base import Scanner, ScannerResult

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = RepairSettings(
    triggers="injected", rounds=2, max_accuracy_drop=0.1, held_out_share=0.5, min_images_per_class=4
)
TUNING = FineTuning(
    epochs=30,
    batch_size=6,
    learning_rate=0.2,
    weight_decay=0.0,
    stamped_share=0.5,
    distilled_share=0.0,
    batch_statistics="learned",
)


class WhileItWorks(Scanner):
    """Finds a trigger as long as it flips its victim."""

    def __init__(self, trigger):
        self.trigger = trigger

    @torch.no_grad()
    def scan(self, classifier, samples, progress=None):
        del progress
        stamped = self.trigger.apply(samples.of_class(self.trigger.victim_class))
        hits = classifier(stamped).argmax(dim=1) == self.trigger.target_class
        works = float(hits.double().mean()) > 0.5
        triggers = (self.trigger,) if works else ()
        return ScannerResult(triggers=triggers, num_candidates=1, flags=works)


def repaired(classifier, samples, trigger, **changes):
    values = {
        "method": Unlearning(fine_tuning=TUNING),
        "scanner": WhileItWorks(trigger),
        "judge": "none",
        "settings": SETTINGS,
    }
    return exray.repair_classifier(classifier, samples, **{**values, **changes})


def test_a_planted_backdoor_is_taken_out_of_a_copy(trojaned, colour_samples, white_patch, tmp_path):
    before = {name: value.clone() for name, value in trojaned.network.state_dict().items()}
    report = repaired(trojaned, colour_samples, white_patch)
    assert report.verdicts == ("trojaned", "clean")
    assert report.accuracies == (1, 1)
    assert report.is_good
    assert [(one.asr_before, one.asr_after) for one in report.unlearned] == [(1, 0)]
    assert len(report.to_frame()) == 1
    assert str(report) == "trojaned > clean, accuracy 1.000 > 1.000, good"
    after = trojaned.network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    path = report.save(tmp_path / "repaired.safetensors")
    assert provenance_of(path)["forced"] is False
    with pytest.raises(ValueError, match=r"path must be a new file, and .* exists; name another"):
        report.save(path)


def test_what_is_not_good_enough_is_written_by_force_alone(
    trojaned, colour_samples, white_patch, tmp_path
):
    weak = Unlearning(fine_tuning=FineTuning(**{**vars(TUNING), "learning_rate": 1e-9}))
    report = repaired(trojaned, colour_samples, white_patch, method=weak)
    assert not report.is_good
    place = tmp_path / "repaired.safetensors"
    with pytest.raises(
        ValueError, match=r"not written, since the scan still says trojaned .*force"
    ):
        report.save(place)
    assert not place.exists()
    assert provenance_of(report.save(place, force=True))["forced"] is True


def test_nothing_to_unlearn_is_said_and_a_method_has_its_name(
    clean_twin, colour_samples, white_patch
):
    with pytest.raises(NothingToRepairError, match="it is clean: there is no trigger to unlearn"):
        repaired(clean_twin, colour_samples, white_patch, method="fine_pruning")
    with pytest.raises(ValueError, match="repair has no option 'pruning'; it has: "):
        repaired(clean_twin, colour_samples, white_patch, method="pruning")


def test_few_images_are_refused(trojaned, colour_samples, white_patch):
    few = (colour_samples.images[:3], colour_samples.labels[:3])
    with pytest.raises(ValueError, match="a repair needs 4 different images of every class"):
        repaired(trojaned, few, white_patch)


def test_a_network_in_memory_is_left_as_it_was(trojaned, colour_samples, white_patch):
    network = nn.Sequential(trojaned.network).train()
    repaired(network, colour_samples, white_patch)
    assert network.training


def test_scanning_imports_no_training_library():
    code = "import exray, sys; exray.scan; sys.exit('pytorch_lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
