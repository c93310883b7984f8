"""The task that fits SRI's classifier of classifiers refuses what it cannot fit."""

import pytest
from hydra import compose, initialize_config_dir

from exray.app.cli import CONF
from exray.app.config import register
from exray.app.fit import fit
from exray.zoo.zoo_source import embedded_root


def composed(*overrides):
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=list(overrides))


def test_a_scanner_without_a_fit_is_refused():
    with pytest.raises(ValueError, match="scanner=abs has nothing to fit; try scanner=sri_cls"):
        fit(composed("task=fit", "scanner=abs"))


def test_a_fit_of_a_zoo_tells_each_classifier_and_scans_with_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr("exray.scanners.sri_cls.SriCls.features", _short)
    config = composed(
        "task=fit",
        f"dataset.root={embedded_root('signs_mini')}",
        "scanner=sri_cls",
        f"scanner.classifier={tmp_path / 'fit.safetensors'}",
        "scanner.fit.folds=2",
        "scanner.fit.epochs=3",
    )
    finished = fit(config)
    assert len(finished.lines) == 8
    assert {line.split("\t")[1] for line in finished.lines} == {"clean", "trojaned"}
    assert (tmp_path / "fit.safetensors").is_file()


def test_a_zoo_that_is_reported_on_is_not_fitted_on():
    with pytest.raises(ValueError, match="signs_mini is kept for reporting; fit on another zoo"):
        fit(composed("task=fit", "scanner=sri_cls", "scanner.classifier=fit.safetensors"))


def _short(scanner, classifier, samples):
    """Stands for the search, which takes a minute a zoo: the images' own statistics."""
    del scanner
    logits = classifier.predict(samples.images[:4])
    return (logits.detach(), logits.detach().square())
