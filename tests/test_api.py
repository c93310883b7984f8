"""exray as a library: five lines, no YAML, no Hydra, no file."""

import inspect
import subprocess
import sys

import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import exray
from exray.api_inputs import scan_parts
from exray.models.architectures.registry import build
from exray.presets.conf import conf_folder
from exray.scanners.base import Scanner, ScannerResult


class KnownTriggers(Scanner):
    """Gives the triggers it was made with."""

    def __init__(self, *triggers):
        self.triggers = triggers

    def scan(self, classifier, samples, progress=None):
        del classifier, samples, progress
        return ScannerResult(triggers=self.triggers, num_candidates=2, flags=True)


@pytest.fixture
def report(trojaned, colour_samples, white_patch, green_tint):
    scanner = KnownTriggers(white_patch, green_tint)
    judge = exray.make_judge("exray", layer="relu", mask__epochs=60)
    return exray.scan(trojaned, colour_samples, scanner=scanner, judge=judge)


@pytest.mark.usefixtures("one_thread")
def test_a_planted_backdoor_is_trojaned_and_its_triggers_keep_their_judgements(report, white_patch):
    assert report.verdict is exray.Verdict.TROJANED
    assert report.probability == report.triggers[0].judgement.score >= 0.5
    assert [one.judgement.is_injected for one in report.triggers] == [True, False]
    assert report.triggers[0].trigger is white_patch
    assert report.accuracy == 1
    frame = report.to_frame()
    assert list(frame["is_injected"]) == [True, False]
    assert frame["m_similarity"].notna().all()


@pytest.mark.usefixtures("one_thread")
def test_the_clean_twin_is_not(clean_twin, colour_samples, green_tint):
    judge = exray.make_judge("exray", layer="relu", mask__epochs=60)
    scanner = KnownTriggers(green_tint)
    report = exray.scan(clean_twin, colour_samples, scanner=scanner, judge=judge)
    assert report.verdict is exray.Verdict.NATURAL_ONLY
    assert report.probability < 0.5


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("brightness", "verdict"), [(20.0, "trojaned"), (0.0, "clean")])
def test_two_classes_are_enough(trojaned, colour_samples, brightness, verdict):
    network = trojaned.network
    network.linear.weight.data[1, 3] = brightness
    network.linear.weight.data = network.linear.weight.data[:2]
    network.linear.bias.data = network.linear.bias.data[:2]
    rows = colour_samples.labels < 2
    samples = (colour_samples.images[rows], colour_samples.labels[rows])
    changes = {"patch__max_size_share": 0.3, "inversion__learning_rate": 0.5, "min_asr": 0.9}
    scanner = exray.make_scanner("abs", stimulation__layer="relu", **changes)
    assert exray.scan(network, samples, scanner=scanner, layer="relu").verdict == verdict


@pytest.mark.usefixtures("one_thread")
def test_a_report_is_a_page_a_folder_and_a_notebooks_cell(report, tmp_path):
    page = report.to_html(tmp_path / "report.html").read_text()
    assert "trojaned" in page
    assert "://" not in page
    store = report.save(tmp_path / "scan")
    assert store.read("planted").record == report.record
    assert {"records.csv", "triggers.csv", "report.html", "planted"} <= {
        path.name for path in store.root.iterdir()
    }
    assert "trojaned" in report._repr_html_()
    assert str(report).startswith("trojaned (")


@pytest.mark.parametrize("form", ["tensors", "bytes", "loader", "dataset", "folder"])
def test_samples_come_in_whatever_form_they_are(form, trojaned, colour_samples, tmp_path):
    images, labels = colour_samples.images, colour_samples.labels
    as_bytes = (255 * images).round().to(torch.uint8)
    match form:
        case "tensors":
            samples = (images, labels)
        case "bytes":
            samples = (as_bytes, labels.tolist())
        case "loader":
            samples = DataLoader(TensorDataset(images, labels), batch_size=5)
        case "dataset":
            samples = TensorDataset(images, labels)
        case "folder":
            samples = tmp_path
            for index, (image, label) in enumerate(zip(as_bytes, labels, strict=True)):
                (tmp_path / str(int(label))).mkdir(exist_ok=True)
                picture = Image.fromarray(image.permute(1, 2, 0).numpy())
                picture.save(tmp_path / str(int(label)) / f"{index}.png")
    report = exray.scan(trojaned, samples, scanner=KnownTriggers(), judge="none")
    assert report.verdict is exray.Verdict.CLEAN
    assert report.accuracy == 1


def test_a_network_in_memory_is_left_as_it_was(trojaned, colour_samples):
    network = trojaned.network.train()
    network.requires_grad_(True)
    exray.scan(network, colour_samples, scanner=KnownTriggers(), judge="none")
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_a_file_is_loaded_with_its_architecture(tmp_path, colour_samples):
    torch.save(build("plain_cnn", num_classes=3).state_dict(), tmp_path / "model.pt")
    classifier = exray.load_classifier(tmp_path / "model.pt", architecture="plain_cnn")
    report = exray.scan(classifier, colour_samples, scanner=KnownTriggers(), judge="none")
    assert report.record.look
    assert report.record.num_classes == 3


def test_classes_without_images_are_allowed(trojaned, colour_samples):
    two = colour_samples.select(colour_samples.labels < 2)
    samples = (two.images, two.labels)
    report = exray.scan(trojaned, samples, scanner=KnownTriggers(), judge="none")
    assert report.record.num_classes == 3


def test_more_classes_than_the_classifier_has_are_refused(trojaned, colour_samples):
    samples = (colour_samples.images, colour_samples.labels + 1)
    with pytest.raises(ValueError, match="samples have 4 classes and the classifier has 3"):
        exray.scan(trojaned, samples)


def test_a_wrong_preprocessing_is_inconclusive(trojaned, colour_samples):
    shuffled = (colour_samples.images, colour_samples.labels.roll(6))
    report = exray.scan(trojaned, shuffled, scanner=KnownTriggers(), judge="none")
    assert report.verdict is exray.Verdict.INCONCLUSIVE
    assert any("accuracy" in remark for remark in report.remarks)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: exray.make_scanner("nope"), "scanner has no option 'nope'; it has: abs"),
        (lambda: exray.make_judge("l2", layr="x"), "layr"),
        (lambda: exray.make_scanner("abs", min_asr=2.0), "min_asr"),
        (lambda: exray.load_classifier(nn.Identity(), architecture="x"), "architecture"),
    ],
)
def test_a_mistake_names_the_parameter(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_importing_exray_is_cheap_and_offers_its_names():
    code = "import exray, sys; print('torch' in sys.modules, *exray.__all__)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    heavy, *names = answer.stdout.split()
    assert heavy == "False"
    assert set(names) == set(exray.__all__)
    for name in names:
        assert getattr(exray, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'scann'; it has: Classifier"):
        exray.scann  # noqa: B018


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("scanner", "remarks"), [("abs", 0), ("k_arm", 1)])
def test_a_calibration_of_other_triggers_is_remarked_on(
    trojaned, colour_samples, monkeypatch, white_patch, scanner, remarks
):
    made = exray.make_scanner(scanner)
    found = ScannerResult(triggers=(white_patch,), num_candidates=1, flags=True)
    monkeypatch.setattr(type(made), "scan", lambda *_: found)
    judge = exray.make_judge("exray_calibrated", layer="relu", mask__epochs=3)
    for given in (scanner, made):
        report = exray.scan(trojaned, colour_samples, scanner=given, judge=judge)
        told = [remark for remark in report.remarks if "calibration was fitted" in remark]
        assert len(told) == remarks


def test_the_defaults_are_those_of_the_command():
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(exray.scan).parameters.items()
    }
    text = (conf_folder() / "dataset" / "folder.yaml").read_text()
    for group in ("scanner", "judge"):
        assert f"/{group}@_global_.{group}: {defaults[group]}\n" in text
    assert inspect.signature(exray.make_scanner).parameters["name"].default == defaults["scanner"]
    root = (conf_folder() / "config.yaml").read_text()
    assert f"layer: {defaults['layer']} " in root


def test_scanner_and_judge_cut_where_a_scan_says():
    scanner, judge = scan_parts("portfolio", "exray", layer="last_conv", seed=0)
    assert (scanner.layer, judge.layer) == ("last_conv", "last_conv")


def test_a_scanner_takes_a_layer_of_its_own():
    assert exray.make_scanner("portfolio", layer="last_conv").layer == "last_conv"
    with pytest.raises(ValueError, match=r"scanner=abs has no key 'engine.layer'"):
        exray.make_scanner("abs", layer="last_conv")


@pytest.mark.usefixtures("one_thread")
def test_a_network_of_grey_images_takes_those_of_one_channel(colour_samples):
    grey = (colour_samples.images * torch.tensor([0.1, 0.4, 0.9]).view(3, 1, 1)).sum(1, True)
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network.append(nn.Linear(1, 3))
    with torch.no_grad():
        network[0].weight.fill_(1.0)
        network[0].bias.zero_()
        values = grey.mean(dim=(1, 2, 3)).reshape(3, 6).mean(dim=1)  # one mean per class
        network[3].weight.copy_(400 * values[:, None])
        network[3].bias.copy_(-200 * values**2)
    scanner = KnownTriggers()
    report = exray.scan(network, (grey, colour_samples.labels), scanner=scanner, judge="none")
    assert (report.accuracy, report.verdict) == (1.0, "clean")
    assert "images are made grey" in report.remarks[0]


@pytest.mark.usefixtures("one_thread")
def test_a_network_of_opencvs_channels_is_told_so(trojaned, colour_samples):
    colours = trojaned.network.colours
    colours.weight.data = colours.weight.data.flip(1)
    turned = exray.Preprocessing(channels="bgr")
    scanner = KnownTriggers()
    report = exray.scan(
        trojaned.network, colour_samples, preprocessing=turned, scanner=scanner, judge="none"
    )
    assert report.accuracy == 1
    with pytest.raises(ValueError, match="the classifier has its own"):
        exray.scan(trojaned, colour_samples, preprocessing=turned)
