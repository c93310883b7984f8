"""Calibrations of both formats, and measurements for them."""

import json

import pytest

from exray.rules.base import CROSS
from exray.rules.calibration import EARLIER, Calibration, Term
from exray.rules.grouped_calibration import GroupedCalibration, ModelLevel
from exray.rules.trigger_groups import EvidenceTerm, TriggerGroup


@pytest.fixture
def fitted():
    """A calibration of the overlap and the weakest cross accuracy."""
    overlap = Term(feature="similarity", weight=-2.0, centre=0.75, scale=0.125)
    weakest = Term(feature="weakest_cross", weight=-1.0, centre=0.5, scale=0.25)
    return Calibration(terms=(overlap, weakest), bias=-1.0, without_triggers=0.2, unconverged=0.3)


@pytest.fixture
def grouped():
    """A calibration of universal patches and of pairs, combined by a plain noisy-or."""
    strength = EvidenceTerm(feature="strength", weight=2.0, centre=0.0, scale=4.0)
    reverse = EvidenceTerm(feature="reverse_strength", weight=-1.5, centre=2.0, scale=4.0)
    universal = TriggerGroup(
        name="universal patch", searches=("patch",), is_universal=True, terms=(strength,), bias=-1.0
    )
    pair = TriggerGroup(
        name="pair patch",
        searches=("patch",),
        is_universal=False,
        terms=(strength, reverse),
        bias=-2.0,
    )
    level = ModelLevel(
        combination="noisy_or",
        slope_above=1.0,
        slope_below=1.0,
        count_weight=0.0,
        threshold=0.0,
        false_positive_rate=0.1,
    )
    return GroupedCalibration(
        groups=(universal, pair), model=level, num_models=40, without_triggers=0.2
    )


@pytest.fixture
def written(tmp_path):
    """Writes a calibration to a file."""

    def write(calibration):
        path = tmp_path / "fit.json"
        path.write_text(json.dumps(calibration.to_dict()))
        return path

    return write


@pytest.fixture
def measured():
    """Makes measurements of one trigger."""

    def measurements(similarity=0.75, weakest=0.5, converged=1.0):
        return {
            "similarity": similarity,
            "similarity_first": 0.5,
            "similarity_second": similarity,
            **dict.fromkeys(CROSS, 1.0),
            **{f"entropy_{name}": 0.0 for name in CROSS},
            CROSS[2]: weakest,
            "mask_sum_victim_target": 3.0,
            "mask_sum_victim_stamped": 1.0,
            "entropy_stamped_target": 0.009,
            "size_share": 0.01,
            "similarity_quantile": 0.75,
            "null_count": 6.0,
            "confidence_shift": 1.5,
            "tube_ratio": 0.5,
            "steadiness": 2.0,
            "target_weight": 2.0,
            "heaviest_class": 1.0,
            "target_rise": 2.0,
            "hidden_variance": 1.0,
            "greatest_share": 0.5,
            "stamped_gain": 0.3,
            "stamped_share": 0.1,
            **dict.fromkeys(EARLIER, 0.5),
            "earlier_converged": 1.0,
            "converged_victim_target": 1.0,
            "converged_victim_stamped": converged,
        }

    return measurements
