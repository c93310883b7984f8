"""Lightning's loggers, read back with a run's triggers: the same names, pictures, failures."""

import csv
import sys

import pytest

from exray.reports.loggers.lightning import LightningLogger
from exray.results.collection import collect

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries


def logged(kind, tmp_path, store, *, is_broken=False):
    """The folder of a run that was logged whole, or that broke off."""
    logger = LightningLogger(
        kind=kind,
        directory=tmp_path / "logs",
        name="night",
        group="sweep",
        config={"scanner": {"steps": 60}},
        tags=["t"],
        job_type="exray",
        key="cell",
    )
    collection = collect(store)
    for scan in collection.scans:
        logger.log_model(scan)
    logger.finish(None if is_broken else collection)
    return tmp_path / "logs"


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_csv_has_a_row_per_model_and_tables_of_models_and_triggers(tmp_path, store):
    (folder,) = (logged("csv", tmp_path, store) / "log").iterdir()
    metrics = rows(folder / "metrics.csv")
    assert [row["failed"] for row in metrics[:2]] == ["0.0", "1.0"]
    assert float(metrics[0]["strongest/similarity"]) == 0.3
    assert float(metrics[-1]["judge/TP"]) == 1.0
    triggers = rows(folder / "triggers.csv")
    assert len(triggers) == 2
    assert {"victim", "target", "is_injected", "score", "similarity"} <= set(triggers[0])
    models = rows(folder / "models.csv")
    assert [row["status"] for row in models] == ["done", "failed"]
    assert models[1]["error_line"]


def test_tensorboard_has_numbers_pictures_and_tables(tmp_path, store):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (folder,) = (logged("tensorboard", tmp_path, store) / "tensorboard").iterdir()
    events = EventAccumulator(str(folder), size_guidance={"images": 0, "tensors": 0})
    events.Reload()
    assert [event.value for event in events.Scalars("failed")] == [0.0, 1.0]
    assert events.Scalars("judge/TP")[0].value == 1.0
    pictures = events.Tags()["images"]
    assert "id-0/trigger_0/victim_image" in pictures
    assert any("mask_" in name for name in pictures)
    (event,) = events.Tensors("triggers/text_summary")
    assert b"| model_id | verdict |" in event.tensor_proto.string_val[0]


def test_mlflow_groups_runs_and_marks_a_failed_one(tmp_path, store):
    mlflow = pytest.importorskip("mlflow")
    folder = logged("mlflow", tmp_path, store)
    client = mlflow.MlflowClient((folder / "mlruns").absolute().as_uri())
    experiment = client.get_experiment_by_name("sweep")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"  # one of its models did
    assert run.data.params["scanner.steps"] == "60"
    assert run.data.tags["judge"] == "exray"
    assert run.data.metrics["judge/TP"] == run.data.metrics["judge/TP.low"] == 1.0
    history = client.get_metric_history(run.info.run_id, "failed")
    assert [point.value for point in history] == [0.0, 1.0]
    names = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert {"triggers.csv", "models.csv", "id-0"} <= names


def test_a_run_that_broke_off_has_what_was_logged(tmp_path, store):
    (folder,) = (logged("csv", tmp_path, store, is_broken=True) / "log").iterdir()
    assert len(rows(folder / "metrics.csv")) == 2
    assert len(rows(folder / "triggers.csv")) == 2
    assert not (folder / "models.csv").exists()


def test_without_its_library_a_logger_says_how_to_install_it(tmp_path, monkeypatch):
    for kind, module in (("tensorboard", "tensorboard.summary"), ("mlflow", "mlflow.tracking")):
        monkeypatch.setitem(sys.modules, module.partition(".")[0], None)
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises((ValueError, ImportError), match=kind):
            LightningLogger(kind=kind, directory=tmp_path, name="night")


def test_an_unknown_kind_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^kind must be one of csv, tensorboard, mlflow; got"):
        LightningLogger(kind="aim", directory=tmp_path, name="night")
