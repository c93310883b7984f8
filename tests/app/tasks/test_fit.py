"""The task that fits SRI-CLS: what it prints and stores, resumes and refuses."""

from dataclasses import replace

import pytest
from hydra import compose, initialize_config_dir

from exray.app.config import register
from exray.app.instantiate import built
from exray.app.tasks.fit import fit
from exray.datasets.zoo import embedded_root
from exray.presets import conf_folder
from exray.scanners.base import Scanner
from exray.scanners.sri.sri_cls import SHIPPED
from exray.scanners.sri.trojan_probability import read_trojan_probability


def composed(*overrides):
    register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        return compose("config", overrides=list(overrides))


def test_a_scanner_without_a_fit_is_refused():
    with pytest.raises(ValueError, match="scanner=abs has nothing to fit; try scanner=sri_cls"):
        fit(composed("task=fit", "scanner=abs"))


def test_a_fit_of_a_zoo_tells_each_classifier_and_where_it_comes_from(tmp_path, monkeypatch):
    monkeypatch.setattr("exray.scanners.sri.sri_cls.SriCls.log_anomaly", _short)
    result = fit(fit_of_signs_mini(tmp_path))
    assert len(result.lines) == 8
    assert {line.split("\t")[1] for line in result.lines} == {"clean", "polygon"}
    provenance = read_trojan_probability(tmp_path / "fit.json").provenance
    assert provenance["zoo"] == "signs_mini"
    assert provenance["num_models"] == 8
    assert set(provenance["left_out"]) == {"all", "polygon"}
    assert provenance["command"] == (
        "python run.py task=fit dataset=signs_mini dataset.root=ZOO scanner=sri_cls "
        "scanner.classifier=FILE"
    )


def test_a_fit_that_was_stopped_goes_on(tmp_path, monkeypatch):
    calls = []

    def failing(scanner, classifier, samples):
        calls.append(classifier.name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return _short(scanner, classifier, samples)

    monkeypatch.setattr("exray.scanners.sri.sri_cls.SriCls.log_anomaly", failing)
    config = fit_of_signs_mini(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fit(config)
    first = fit(config)
    assert len(calls) == 9  # the third twice
    broken = next((tmp_path / "scans" / "features").glob("*.json"))
    broken.write_bytes(b"cut short")
    assert fit(config).lines == first.lines
    assert len(calls) == 10


def test_kinds_are_provenance_with_the_fit(tmp_path, monkeypatch):
    monkeypatch.setattr("exray.scanners.sri.sri_cls.SriCls.log_anomaly", _short)
    fit(fit_of_signs_mini(tmp_path, "kinds=[polygon]"))
    provenance = read_trojan_probability(tmp_path / "fit.json").provenance
    assert provenance["kinds"] == ["polygon"]
    assert " kinds=[polygon] " in provenance["command"]


@pytest.mark.usefixtures("one_thread")
def test_the_default_configuration_scans_with_the_shipped_fit(trojaned, colour_samples):
    scanner = built(composed("scanner=sri_cls").scanner.engine, Scanner)
    assert scanner.path == SHIPPED
    assert len(scanner.fingerprint()) == 64
    (patches, _) = scanner.search.shapes
    short = replace(patches, schedule=replace(patches.schedule, rounds=1, steps=5))
    scanner.search = replace(scanner.search, shapes=(short,))
    result = scanner.scan(trojaned, colour_samples)
    assert result.num_candidates == 3
    assert 0 < result.score < 1
    assert result.flags == (result.score >= 0.5)


def test_a_zoo_that_is_reported_on_is_not_fitted_on():
    with pytest.raises(ValueError, match="signs_mini is kept for reporting; fit on another zoo"):
        fit(composed("task=fit", "scanner=sri_cls", "scanner.classifier=fit.json"))


def _short(scanner, classifier, samples):
    """Stands for the search, which takes a minute a zoo: the images' own statistics."""
    del scanner
    return float(classifier.predict(samples.images[:4]).max())


def fit_of_signs_mini(folder, *more):
    """The embedded zoo, read as one that is not reserved."""
    return composed(
        "task=fit",
        f"dataset.root={embedded_root('signs_mini')}",
        "scanner=sri_cls",
        f"scanner.classifier={folder / 'fit.json'}",
        f"paths.scans={folder / 'scans'}",
        "scanner.fit.folds=2",
        "scanner.fit.repeats=2",
        *more,
    )
