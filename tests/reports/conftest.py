import json
import math

import numpy as np
import pytest

from exray.results.model_scan import ModelScan
from exray.results.records import ScanRecord, TriggerRecord
from exray.results.store import ResultStore
from exray.rules.verdict import Verdict

EVIL = "<script>alert(1)</script>"


def make_trigger(index, *, is_injected, victim_name="stop", **measurements):
    values = {
        "similarity": 0.3,
        "similarity_first": 0.3,
        "similarity_second": 0.2,
        "cross_victim_into_target": 0.9,
        "converged_victim_target": 1.0,
        "converged_victim_stamped": 0.0,
        "mask_sum_victim_target": 4.0,
    }
    return TriggerRecord(
        index=index,
        victim_class=0,
        target_class=1,
        victim_name=victim_name,
        target_name="yield",
        source="abs",
        asr=0.97,
        target_probability=0.9,
        size_pixels=143.0,
        is_injected=is_injected,
        score=0.9 if is_injected else 0.1,
        reason="Similarity 0.30 does not exceed 0.80.",
        measurements=values | measurements,
        thresholds={"similarity": 0.8, "cross_accuracy": 0.8},
    )


def make_tensors(index):
    rng = np.random.default_rng(index)
    images = ("victim_image", "stamped_image", "target_image", "trigger_image")
    masks = ("mask_victim_target", "mask_victim_stamped")
    return {
        f"trigger_{index}/{name}": rng.integers(0, 256, (32, 32, 3), np.uint8) for name in images
    } | {f"trigger_{index}/{name}": rng.random(20, np.float32) for name in masks}


@pytest.fixture
def store(tmp_path):
    store = ResultStore(tmp_path / "results")
    store.claim("r1", {"scanner": {"steps": 60}})
    shared = {"run_id": "r1", "dataset": "signs_mini", "scanner": "abs", "judge": "exray"}
    trojaned = ScanRecord(
        model_id="id-0",
        status="done",
        verdict=Verdict.TROJANED,
        probability=0.9,
        scanner_flags=True,
        num_triggers=2,
        num_injected=1,
        clean_accuracy=0.98,
        seconds={"inversion": 6.0, "judgement": 3.0, "total": 10.0},
        warnings=["Class 3 has no images."],
        is_trojaned=True,
        **shared,
    )
    failed = ScanRecord(
        look={"form": EVIL, "bytes": 12345},
        model_id="id-1",
        status="failed",
        verdict=Verdict.FAILED,
        probability=math.nan,
        error="Traceback (most recent call last):\n  boom",
        error_line="CheckpointError: boom",
        **shared,
    )
    triggers = [
        make_trigger(0, is_injected=False),
        make_trigger(1, is_injected=True, victim_name=EVIL),
    ]
    store.write(
        ModelScan(
            record=trojaned, triggers=tuple(triggers), tensors=make_tensors(0) | make_tensors(1)
        )
    )
    store.write(ModelScan(record=failed))
    return store


@pytest.fixture
def searched(store):
    """The store after a scan by two searches, one of which failed."""
    path = store.root / "id-0" / "record.json"
    known = {"num_found": 0, "image_passes": 4321, "seconds": 1.25, "inconclusive": ""}
    searches = [
        {"name": "patch", "num_candidates": 10, "best_strength": -2.31, **known},
        {"name": EVIL, "num_candidates": 16, "best_strength": None, **known},
    ]
    searches[1]["inconclusive"] = "the classifier has no gradient"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"searches": searches}))
    return store


@pytest.fixture(name="make_trigger")
def trigger_maker():
    return make_trigger


@pytest.fixture(name="make_tensors")
def tensor_maker():
    return make_tensors
