"""Which models a row gets wrong, and which trigger is shown of each."""

import math
from pathlib import Path

import pandas as pd
import pytest

from exray.experiments.cells import ExperimentCell
from exray.experiments.misjudged import misjudged_models, to_draw
from exray.rules.base import CROSS


def make_trigger(model_id, index, score, *, is_true=False, **measurements):
    values = {"m_similarity": 0.5, **{f"m_{name}": 0.9 for name in CROSS}, **measurements}
    classes = {"victim_class": index, "target_class": index + 1, "source": "abs"}
    judged = {"is_injected": score >= 0.5, "score": score, "is_true_trigger": is_true}
    return {"model_id": model_id, "index": index, **classes, **judged, **values}


@pytest.fixture
def make_cell():
    """A cell of models given as id, injected kind and probability, and of triggers."""

    def make(models, triggers):
        records = pd.DataFrame(
            {
                "model_id": model_id,
                "is_trojaned": bool(kind),
                "trigger_kind": kind,
                "verdict": "trojaned" if probability >= 0.5 else "natural-only",
                "probability": probability,
                "status": "done",
            }
            for model_id, kind, probability in models
        )
        columns = list(make_trigger("", 0, 0.0))
        frame = pd.DataFrame(triggers, columns=columns).astype({"is_true_trigger": "boolean"})
        return ExperimentCell(
            name="exray",
            folder=Path("exray"),
            records=records.astype({"is_trojaned": "boolean"}),
            triggers=frame,
            setting=math.nan,
            probability_without_triggers=0.1,
            caption="",
        )

    return make


def test_flagged_clean_models_come_first_and_the_most_confidently_wrong_before_others(make_cell):
    models = [
        ("missed a little", "polygon", 0.4),
        ("missed", "filter", 0.1),
        ("right", "polygon", 0.9),
        ("flagged a little", "", 0.6),
        ("clean", "", 0.2),
        ("flagged", "", 0.8),
    ]
    misjudged = misjudged_models(make_cell(models, []))
    names = [model.model_id for model in misjudged]
    assert names == ["flagged", "flagged a little", "missed", "missed a little"]
    assert [model.kind for model in misjudged] == ["", "", "filter", "polygon"]
    assert all(model.trigger is None for model in misjudged)


def test_a_flagged_clean_model_is_shown_by_its_highest_scoring_trigger(make_cell):
    triggers = [make_trigger("c", 0, 0.3), make_trigger("c", 1, 0.7), make_trigger("c", 2, 0.6)]
    (model,) = misjudged_models(make_cell([("c", "", 0.7)], triggers))
    assert (model.trigger.index, model.trigger.victim, model.trigger.target) == (1, 1, 2)
    assert model.trigger.score == 0.7


def test_a_missed_model_is_shown_by_the_true_trigger_where_one_was_found(make_cell):
    others = [make_trigger("t", 0, 0.4), make_trigger("u", 0, 0.2), make_trigger("u", 1, 0.3)]
    true = [make_trigger("t", 1, 0.1, is_true=True), make_trigger("t", 2, 0.2, is_true=True)]
    models = [("t", "polygon", 0.4), ("u", "polygon", 0.45)]
    with_true, without = misjudged_models(make_cell(models, [*others, *true]))
    assert (with_true.trigger.index, with_true.trigger.is_true) == (2, True)
    assert (without.trigger.index, without.trigger.is_true) == (1, False)


def test_the_weakest_of_four_accuracies_is_told_and_none_where_nothing_was_measured(make_cell):
    unmeasured = {"m_similarity": math.nan, **{f"m_{name}": math.nan for name in CROSS}}
    triggers = [
        make_trigger("c", 0, 0.9, **{f"m_{CROSS[2]}": 0.25}),
        make_trigger("d", 0, math.nan, **unmeasured),
    ]
    first, second = misjudged_models(make_cell([("c", "", 0.9), ("d", "", 0.5)], triggers))
    assert (first.trigger.similarity, first.trigger.weakest_cross) == (0.5, 0.25)
    assert math.isnan(second.trigger.similarity)
    assert math.isnan(second.trigger.weakest_cross)


@pytest.mark.parametrize(
    ("clean", "trojaned", "drawn"), [(6, 1, "ccct"), (6, 3, "cctt"), (1, 4, "cttt"), (1, 1, "ct")]
)
def test_missed_models_keep_up_to_half_of_the_places(make_cell, clean, trojaned, drawn):
    models = [(f"c{place}", "", 0.9) for place in range(clean)]
    models += [(f"t{place}", "polygon", 0.1) for place in range(trojaned)]
    chosen = to_draw(misjudged_models(make_cell(models, [])), 4)
    assert "".join(model.model_id[0] for model in chosen) == drawn
