"""SRI-CLS: the fit decides, from the first shape's triggers."""

import pytest

from exray.scanners.sri.early_stopping import EarlyStopping
from exray.scanners.sri.sri_cls import SriCls
from exray.scanners.sri.sri_re import SriRe
from exray.scanners.sri.trojan_probability import TrojanProbability

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def scanner(recolourings, shortened):
    """Makes a scanner of one short round of recolourings, with the fit of a file."""

    def make(path, **changes):
        values = {
            "shapes": [shortened(recolourings, rounds=1, steps=3, images_per_class=2)],
            "min_asr": 0.9,
            "triggers_per_victim": 1,
            "reported_only": False,
            "flag_threshold": 1.0,
            "early_stopping": None,
            "seed": 0,
        }
        return SriCls(search=SriRe(**{**values, **changes}), classifier=str(path))

    return make


def write_constant(path, bias):
    TrojanProbability(weight=0.0, centre=0.0, scale=1.0, bias=bias).write(path)


def test_the_fit_alone_gives_score_and_verdict(scanner, tmp_path, trojaned, colour_samples):
    path = tmp_path / "fit.json"
    for bias, flags in ((3.0, True), (-3.0, False)):
        write_constant(path, bias)
        result = scanner(path).scan(trojaned, colour_samples)
        assert result.flags == flags
        assert (result.score > 0.9) == flags


def test_the_fit_uses_the_greatest_log_anomaly_of_the_first_shape(
    scanner, tmp_path, trojaned, colour_samples
):
    path = tmp_path / "fit.json"
    model = TrojanProbability(weight=1.0, centre=0.0, scale=1.0, bias=0.0)
    model.write(path)
    one = scanner(path)
    log_anomaly = one.log_anomaly(trojaned, colour_samples)
    score = one.scan(trojaned, colour_samples).score
    assert score == pytest.approx(model.probability(log_anomaly))


def test_triggers_of_a_classifier_called_clean_are_not_reported(
    scanner, tmp_path, trojaned, colour_samples
):
    path = tmp_path / "fit.json"
    write_constant(path, bias=3.0)
    reported_only = scanner(path, reported_only=True, min_asr=0.01)
    assert reported_only.scan(trojaned, colour_samples).triggers
    write_constant(path, bias=-3.0)
    assert not reported_only.scan(trojaned, colour_samples).triggers


def test_another_fit_has_another_fingerprint(scanner, tmp_path):
    path, fingerprints = tmp_path / "fit.json", set()
    for bias in (1.0, 2.0):
        write_constant(path, bias)
        fingerprints.add(scanner(path).fingerprint())
    assert len(fingerprints) == 2


def test_a_search_that_is_stopped_early_is_refused(scanner, tmp_path):
    early = EarlyStopping(rounds=2, sufficient_probability=0.9, hurdles=[])
    with pytest.raises(ValueError, match="early_stopping must be null: a fit needs every search"):
        scanner(tmp_path / "fit", early_stopping=early)
