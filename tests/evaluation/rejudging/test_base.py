"""Models decided on by their triggers, however the triggers were judged."""

import numpy as np
import pandas as pd

from exray.evaluation.rejudging.base import flagged_by_triggers, scored_by_triggers


def test_a_models_probability_is_its_highest_triggers(records):
    triggers = pd.DataFrame({"model_id": ["id-00000000", "id-00000000", "id-00000003"]})
    predictions = scored_by_triggers(records, triggers, np.array([0.2, 0.7, 0.4]), "forest")
    by_model = dict(
        zip(
            predictions.model_ids,
            zip(predictions.probability, predictions.flagged, strict=True),
            strict=True,
        )
    )
    assert by_model["id-00000000"] == (0.7, True)
    assert by_model["id-00000003"] == (0.4, False)
    stored = records.set_index("model_id")["probability"]["id-00000004"]
    assert by_model["id-00000004"] == (stored, False)  # no trigger of it was scored


def test_a_model_is_flagged_by_any_trigger_that_counts(records):
    triggers = pd.DataFrame({"model_id": ["id-00000000", "id-00000000", "id-00000003"]})
    injected = np.array([False, True, False])
    predictions = flagged_by_triggers(records, triggers, injected, "rule")
    flagged = np.array(predictions.model_ids)[predictions.flagged]
    assert flagged.tolist() == ["id-00000000"]
    assert predictions.name == "rule"
    assert np.isnan(predictions.probability).all()


def test_a_score_of_one_half_flags(records):
    triggers = pd.DataFrame({"model_id": ["id-00000000", "id-00000003"]})
    scores = np.array([0.5, np.nextafter(0.5, 0)])
    predictions = scored_by_triggers(records, triggers, scores, "forest")
    flagged = dict(zip(predictions.model_ids, predictions.flagged.tolist(), strict=True))
    assert (flagged["id-00000000"], flagged["id-00000003"]) == (True, False)
