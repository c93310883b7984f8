"""A threshold chosen on one run and frozen for another."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from exray.evaluation.rejudging.threshold_choice import FrozenThreshold, ThresholdChoice
from exray.rules.base import CROSS

CALIBRATED = Path(__file__).parents[3] / "experiments" / "calibrated_judge"
GRID = (0.7, 0.8, 0.9)


def run(similarity, trojaned, *, judge="exray"):
    """A model a similarity, with a trigger each whose cross accuracies are all 0.5."""
    similarity, count = np.array(similarity), len(trojaned)
    ids = [f"m{place}" for place in range(count)]
    probability = 1 - similarity / 2
    records = pd.DataFrame(
        {
            "model_id": ids,
            "judge": judge,
            "status": "done",
            "verdict": ["trojaned" if value >= 0.5 else "natural-only" for value in probability],
            "probability": probability,
            "num_triggers": 1,
            "is_trojaned": pd.array(trojaned, dtype="boolean"),
        }
    )
    triggers = pd.DataFrame(
        {"model_id": ids, "m_similarity": similarity}
        | {f"m_{name}": np.full(count, 0.5) for name in CROSS}
        | {f"m_converged_victim_{name}": np.ones(count) for name in ("target", "stamped")}
    )
    return records, triggers


def choose(records, triggers, folder):
    chooser = ThresholdChoice(
        name="choose", file=None, similarity_thresholds=GRID, cross_thresholds=GRID
    )
    result = chooser.choose(records, triggers)
    path = folder / "choose.json"
    path.write_text(json.dumps(dict(result.content)))
    return result, path


def test_the_papers_two_thresholds_are_chosen_and_frozen(tmp_path):
    result, path = choose(*run([0.72, 0.75, 0.84, 0.95], [True, True, False, False]), tmp_path)
    assert result.content["similarity"] == 0.8
    assert result.content["cross_accuracy"] == 0.8  # of equally good ones the paper's
    assert result.predictions[1].counts.accuracy == 1
    tuned, _ = choose(*run([0.84, 0.85, 0.95], [True, True, False]), tmp_path)
    assert tuned.content["similarity"] == 0.9
    other = run([0.85, 0.95, 0.75], [True, False, False])
    stored, best, frozen = FrozenThreshold(name="f", file=str(path)).predictions(*other)
    assert frozen.name == "frozen (beta 0.9, gamma 0.8)"
    assert frozen.flagged.tolist() == [True, False, True]
    assert best.name.startswith("best separation of these models (")
    assert best.counts.accuracy >= max(frozen.counts.accuracy, stored.counts.accuracy)


def test_a_baselines_score_is_chosen_and_frozen(tmp_path):
    result, path = choose(
        *run([0.2, 0.3, 0.8, 0.9], [True, True, False, False], judge="l2"), tmp_path
    )
    assert result.content["score"] == pytest.approx((0.85 + 0.6) / 2)
    assert result.predictions[0].counts.fp == 2  # with the placeholder every model is flagged
    assert result.predictions[1].counts.fp == 0
    other = run([0.5, 0.7], [True, False], judge="l2")
    frozen = FrozenThreshold(name="f", file=str(path)).predictions(*other)[-1]
    assert frozen.flagged.tolist() == [True, False]
    assert frozen.probability.tolist() == other[0]["probability"].tolist()


def test_a_judge_that_is_better_never_asked_is_frozen_so(tmp_path):
    result, path = choose(*run([0.2, 0.3], [False, False], judge="l2"), tmp_path)
    assert result.content["score"] is None
    frozen = FrozenThreshold(name="f", file=str(path)).predictions(*run([0.0], [True], judge="l2"))[
        -1
    ]
    assert not frozen.flagged.any()


def test_a_threshold_of_another_judge_or_of_no_file_is_refused(tmp_path):
    _, path = choose(*run([0.2, 0.9], [True, False], judge="l2"), tmp_path)
    with pytest.raises(ValueError, match="chosen for judge=l2 and this run is of judge=exray"):
        FrozenThreshold(name="f", file=str(path)).predictions(*run([0.2], [True]))
    with pytest.raises(ValueError, match=r"there is no threshold at .*rejudge=choose on a tuning"):
        FrozenThreshold(name="f", file=str(tmp_path / "none.json"))
    for content, problem in (
        ("{", "is no JSON"),
        ("[]", "holds no threshold"),
        ('{"kind": "threshold", "format": 1, "judge": "l2"}', r"no threshold in \[0, 1\]"),
        ('{"kind": "threshold", "format": 1, "judge": "l2", "score": 2}', r"no threshold in \[0"),
        ('{"kind": "threshold", "format": 9, "judge": "l2", "score": 0.5}', "of format 1"),
    ):
        path.write_text(content)
        with pytest.raises(ValueError, match=problem):
            FrozenThreshold(name="f", file=str(path))


def test_two_judges_have_no_threshold_in_common(tmp_path):
    records, triggers = run([0.2, 0.9], [True, False])
    records.loc[0, "judge"] = "l2"
    with pytest.raises(ValueError, match="one judge's; the records are of exray, l2"):
        choose(records, triggers, tmp_path)


def test_a_sweep_over_a_zoos_stored_triggers_takes_under_a_second_and_no_torch():
    code = (
        "import sys, time, pandas as pd; "
        "from exray.evaluation.rejudging.sweeps import PaperRuleSweep; "
        "frames = [pd.read_csv(f'{sys.argv[1]}/tuning_{name}.csv') for name in "
        "('records', 'triggers')]; "
        "grid = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95); start = time.process_time(); "
        "sweep = PaperRuleSweep(name='t', similarity_thresholds=grid, cross_thresholds=grid); "
        "num_rows = len(sweep.predictions(*frames)); "
        "print(num_rows, time.process_time() - start, 'torch' in sys.modules)"
    )
    words = [sys.executable, "-c", code, str(CALIBRATED)]  # without the tests' type checks
    ran = subprocess.run(words, capture_output=True, text=True, check=True)
    count, seconds, has_torch = ran.stdout.split()
    assert (count, has_torch) == ("36", "False")
    assert float(seconds) < 1
