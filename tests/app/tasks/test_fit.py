"""The task that fits SRI's classifier of classifiers refuses what it cannot fit."""

from dataclasses import replace

import pytest
from hydra import compose, initialize_config_dir

from exray.app.cli import CONF
from exray.app.config import register
from exray.app.instantiate import built
from exray.app.tasks.fit import fit
from exray.datasets.zoo import embedded_root
from exray.scanners.base import Scanner
from exray.scanners.sri.set_classifier import read_provenance
from exray.scanners.sri.sri_cls import SHIPPED


def composed(*overrides):
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=list(overrides))


def test_a_scanner_without_a_fit_is_refused():
    with pytest.raises(ValueError, match="scanner=abs has nothing to fit; try scanner=sri_cls"):
        fit(composed("task=fit", "scanner=abs"))


def test_a_fit_of_a_zoo_tells_each_classifier_and_where_it_comes_from(tmp_path, monkeypatch):
    monkeypatch.setattr("exray.scanners.sri.sri_cls.SriCls.features", _short)
    finished = fit(fit_of_signs_mini(tmp_path))
    assert len(finished.lines) == 8
    assert {line.split("\t")[1] for line in finished.lines} == {"clean", "polygon"}
    told = read_provenance(tmp_path / "fit.safetensors")
    assert told["zoo"] == "signs_mini"
    assert told["num_models"] == 8
    assert set(told["left_out"]) == {"all", "polygon"}
    assert told["command"] == (
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

    monkeypatch.setattr("exray.scanners.sri.sri_cls.SriCls.features", failing)
    config = fit_of_signs_mini(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fit(config)
    first = fit(config)
    assert len(calls) == 9  # the third twice
    broken = next((tmp_path / "scans" / "features").glob("*.safetensors"))
    broken.write_bytes(b"cut short")
    assert fit(config).lines == first.lines
    assert len(calls) == 10


def test_kinds_are_told_with_the_fit(tmp_path, monkeypatch):
    monkeypatch.setattr("exray.scanners.sri.sri_cls.SriCls.features", _short)
    fit(fit_of_signs_mini(tmp_path, "kinds=[polygon]"))
    told = read_provenance(tmp_path / "fit.safetensors")
    assert told["kinds"] == ["polygon"]
    assert " kinds=[polygon] " in told["command"]


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
        fit(composed("task=fit", "scanner=sri_cls", "scanner.classifier=fit.safetensors"))


def _short(scanner, classifier, samples):
    """Stands for the search, which takes a minute a zoo: the images' own statistics."""
    del scanner
    logits = classifier.predict(samples.images[:4])
    return logits.detach()[:, :6]


def fit_of_signs_mini(folder, *more):
    """The embedded zoo, read as one that is not reserved."""
    return composed(
        "task=fit",
        f"dataset.root={embedded_root('signs_mini')}",
        "scanner=sri_cls",
        f"scanner.classifier={folder / 'fit.safetensors'}",
        f"paths.scans={folder / 'scans'}",
        "scanner.fit.folds=2",
        "scanner.fit.repeats=2",
        "scanner.fit.steps=3",
        *more,
    )
