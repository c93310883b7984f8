"""A CUDA device gives what the CPU gives. The same test runs on the CPU, to see that it runs."""

import csv
import json

import pytest
import torch

needs_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
DEVICES = ["cpu", pytest.param("gpu", marks=needs_gpu)]
SAME = ("model_id", "status", "is_trojaned", "num_classes", "clean_accuracy", "error_line")


def rows(folder, name):
    with (folder / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("trainer", DEVICES)
def test_a_device_gives_the_records_of_the_cpu(command, quick, scanned, tmp_path, trainer):
    _, on_cpu = scanned
    words = [word for word in quick if word != "trainer=cpu"]
    ran = command(*words, f"trainer={trainer}", "limit=2")
    assert ran.status == 0, ran.err
    folder = tmp_path / "results" / "run"
    for ours, theirs in zip(rows(folder, "records"), rows(on_cpu, "records"), strict=True):
        assert [ours[name] for name in SAME] == [theirs[name] for name in SAME]
        record = json.loads((folder / ours["model_id"] / "record.json").read_text())
        assert record["provenance"]["device"].startswith({"gpu": "cuda"}.get(trainer, trainer))


@pytest.mark.parametrize("trainer", DEVICES)
def test_workers_scan_on_the_device(command, quick, tmp_path, trainer):
    words = [word for word in quick if word != "trainer=cpu"]
    words = [word for word in words if "judge" not in word]
    ran = command(*words, f"trainer={trainer}", "trainer.scan_workers=2", "judge=none", "limit=2")
    assert ran.status == 0, ran.err
    found = rows(tmp_path / "results" / "run", "records")
    assert [row["status"] for row in found] == ["done", "done"]
