"""A search over the scanner's bounds: Optuna's trials are cells like any other."""

import pytest
import yaml

from exray.app.task_result import TaskResult
from exray.evaluation.predictions import with_judge
from exray.results.collection import collect
from exray.results.store import ResultStore

BOUNDS = ("scanner.engine.min_asr", "scanner.engine.patch.max_size_share")


@pytest.mark.filterwarnings("ignore")  # Optuna's and SQLAlchemy's own
def test_trials_are_cells_and_the_best_is_told(command, quick, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    words = [word for word in quick if not word.startswith(("judge", "name", *BOUNDS))]
    search = ("experiment=scanner_bounds", "hydra.sweeper.n_trials=2", "judge=none")
    ran = command(*search, "dataset=signs_mini", *words)
    assert ran.status == 0, ran.err
    folder = tmp_path / "results" / "scanner_bounds"
    cells = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    accuracies = {}
    for cell in cells:
        frame = collect(ResultStore(cell)).frame
        accuracies[cell.name] = with_judge(frame).counts.balanced_accuracy
        assert len(frame) == 4
    assert len(accuracies) == 2
    best = yaml.safe_load((folder / "optimization_results.yaml").read_text())
    assert best["best_value"] == max(accuracies.values())
    assert tuple(best["best_params"]) == BOUNDS
    assert 0.6 <= best["best_params"][BOUNDS[0]] <= 0.95


def test_without_ground_truth_there_is_nothing_to_choose_by():
    with pytest.raises(ValueError, match="nothing to choose by: task=scan must see trojaned and"):
        float(TaskResult(lines=(), status=0))
    with pytest.raises(ValueError, match="min_asr must be"):
        float(TaskResult(lines=(), status=2, mistake="min_asr must be ..."))


def test_without_its_package_the_search_says_how_to_install_it(command, monkeypatch):
    monkeypatch.setattr("exray.app.composition._is_installed", lambda module: False)  # noqa: ARG005
    said = command("experiment=scanner_bounds").mistake()
    assert said == (
        "hydra/sweeper=search needs hydra-optuna-sweeper, which is not installed; "
        "pip install 'exray[optuna]'"
    )
