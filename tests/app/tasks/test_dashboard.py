"""The judges of a sweep on one page."""

from dataclasses import replace

import pytest

from exray.results.model_scan import ModelScan
from exray.results.store import ResultStore


@pytest.fixture
def stored(stored_record):
    """Writes a trojaned and a clean model's records under a judge."""

    def write(root, judge):
        store = ResultStore(root)
        store.claim("r", {})
        for model_id, is_trojaned in (("m0", True), ("m1", False)):
            record = stored_record(model_id, is_trojaned, 0.7)
            store.write(ModelScan(record=replace(record, judge=judge)))

    return write


def test_a_dashboard_of_a_sweep_or_of_a_single_run_is_written(command, stored, tmp_path):
    words = ("task=dashboard", "name=sweep", f"paths.results={tmp_path}")
    assert "holds no records; scan first, or give name=NAME" in command(*words).mistake()
    stored(tmp_path / "sweep" / "judge=none", "none")
    stored(tmp_path / "sweep" / "judge=exray", "exray")
    ran = command(*words)
    assert ran.status == 0, ran.err
    page = tmp_path / "sweep" / "dashboard.html"
    assert ran.out == f"{page}\n"
    assert "judges</dt><dd>2<" in page.read_text()
    assert command(*words, "name='sweep/judge=none'").status == 0
    assert (tmp_path / "sweep" / "judge=none" / "dashboard.html").is_file()
