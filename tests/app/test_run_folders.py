"""The folders of runs and of sweeps' cells."""

import pytest
from omegaconf import OmegaConf

from exray.app.run_folders import cells, require_records, results_folder
from exray.results.model_scan import ModelScan
from exray.results.store import ResultStore

CONFIG = OmegaConf.create({"paths": {"results": "results"}})


@pytest.fixture
def write(stored_record):
    """Writes one record into a folder."""

    def written(folder):
        store = ResultStore(folder)
        store.claim("r", {})
        store.write(ModelScan(record=stored_record("m", True, 0.6)))

    return written


def test_a_cell_lies_in_its_sweeps_folder():
    assert str(results_folder(CONFIG, "run", "")) == "results/run"
    assert str(results_folder(CONFIG, "a/run", "judge=l2")) == "results/a/run/judge=l2"


@pytest.mark.parametrize("name", ["/run", "..", "a/../../b"])
def test_a_name_that_leads_out_of_the_results_is_refused(name):
    with pytest.raises(ValueError, match=f"below results, which paths.results .*; got '{name}'"):
        results_folder(CONFIG, name, "")


def test_cells_are_the_folders_with_records_by_name(write, tmp_path):
    for name in ("judge=none", "judge=l2"):
        write(tmp_path / name)
    (tmp_path / "rejudged").mkdir()
    (tmp_path / "table.md").write_text("")
    assert [cell.name for cell in cells(tmp_path)] == ["judge=l2", "judge=none"]
    assert cells(tmp_path / "nowhere") == []


def test_a_run_must_have_records_and_a_sweeps_cells_are_named(write, tmp_path):
    write(tmp_path / "sweep" / "judge=l2")
    require_records(tmp_path / "sweep" / "judge=l2", "sweep/judge=l2")
    with pytest.raises(ValueError, match=r"\"name='sweep/CELL'\": judge=l2$"):
        require_records(tmp_path / "sweep", "sweep")
    with pytest.raises(ValueError, match="empty holds no records; scan first, or give name=NAME"):
        require_records(tmp_path / "empty", "empty")
