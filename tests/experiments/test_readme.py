"""An experiment's table, page and drawings: pure functions of its rows."""

import math
from dataclasses import replace

import pandas as pd
import pytest
from hydra import compose, initialize_config_dir

from exray.app.config import register
from exray.app.instantiate import built
from exray.experiments.cells import Column
from exray.experiments.figures import bars_png, curves_png, probabilities_png
from exray.experiments.markdown import experiment_markdown, ordered_rows, row_predictions
from exray.experiments.provenance import Provenance
from exray.experiments.published import ReportedRow
from exray.experiments.readme import END, readme_markdown
from exray.experiments.result import read_rows
from exray.experiments.table import CellTable, ExperimentTable, TableSettings
from exray.presets import conf_folder
from exray.reports.markdown import read_records

EXPERIMENTS = conf_folder().parent / "experiments"
TABLES = sorted(path.stem for path in (conf_folder() / "experiment").glob("*.yaml"))
PNG = b"\x89PNG"


def experiment(name):
    register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        return compose("config", overrides=[f"experiment={name}", "hydra.mode=RUN"])


@pytest.mark.parametrize("name", TABLES)
def test_every_experiments_table_is_built_and_its_numbers_are_there(name):
    config = experiment(name)
    if config.table is None:
        pytest.skip("an experiment compared by task=compare")
    table = built(config.table, ExperimentTable)
    assert table.columns()
    assert config.name == name
    if table.about.reported is not None:
        rows = table.about.reported.read(EXPERIMENTS / "paper")
        shown = {column.name for column in table.columns()}
        assert shown & {row.column for row in rows}


@pytest.mark.parametrize("name", [name for name in TABLES if (EXPERIMENTS / name).is_dir()])
def test_a_committed_table_follows_from_its_rows(name):
    config = experiment(name)
    if config.table is None:
        pytest.skip("no table of the paper")
    table = built(config.table, ExperimentTable)
    reported = table.about.reported
    rows = [] if reported is None else reported.read(EXPERIMENTS / "paper")
    frame = read_rows(EXPERIMENTS / name / "records.csv")
    assert (EXPERIMENTS / name / "table.md").read_text() == experiment_markdown(table, frame, rows)


@pytest.fixture
def rows(request):
    records = read_records(str(request.path.parents[1] / "reports" / "eight_records.csv"))
    shared = {"column": "polygon", "setting": math.nan}
    vanilla = records.assign(row="none", verdict="trojaned", probability=0.9, **shared)
    return pd.concat([records.assign(row="exray", **shared), vanilla])


@pytest.fixture
def table():
    column = Column(name="polygon", title="Polygon triggers", kinds=(), sources=())
    about = TableSettings(
        title="Table 1",
        run=None,
        tuning=None,
        cells=(),
        derived=(),
        columns=(column,),
        shown=("polygon",),
        reference="exray",
        reported=None,
        axis="",
        claims=True,
        apart=(),
        curves=(),
        failures=(),
        differs=(),
    )
    return CellTable(about=about, separated=(), forests=(), trees=5, alone=False, seed=0)


REPORTED = [
    ReportedRow(row="none", column="polygon", dataset="trojai_r2", figures={"TPR": 0.92}),
    ReportedRow(row="exray", column="polygon", dataset="trojai_r2", figures={"TPR": 0.717}),
    ReportedRow(row="l2", column="polygon", dataset="trojai_r2", figures={"TPR": 0.681}),
]


def test_ours_stands_beside_the_papers_in_the_papers_order(table, rows):
    text = experiment_markdown(table, rows, REPORTED)
    assert "## Polygon triggers: 4 trojaned and 4 clean models" in text
    assert "| none | 1.000 | 0.920 |" in text
    assert "| exray | 0.750 | 0.717 |" in text
    assert "| l2 | - | 0.681 |" in text
    assert ordered_rows(rows, REPORTED) == ["none", "exray"]


def test_what_is_pruned_tested_and_claimed_is_in_the_table(table, rows):
    text = experiment_markdown(table, rows, REPORTED)
    assert "| exray | 0.750 [0.250, 1.000] | 0.250 [0.000, 0.750] |" in text
    assert "| none | 8 | 1 | 3 | 0.625 |" in text
    assert (
        "| exray loses 30 % or less of the true positives | 0.250 [0.000, 0.750] | holds |" in text
    )


def test_chosen_rows_are_told_apart_by_each_factor_of_several_levels(table, rows):
    reach = ["universal" if place % 4 > 1 else "1 victim" for place in range(len(rows))]
    rows = rows.assign(trigger_reach=reach, architecture="signs_resnet", num_classes=8)
    assert "| by " not in experiment_markdown(table, rows, REPORTED)
    table.about = replace(table.about, apart=("none", "exray"))
    text = experiment_markdown(table, rows, REPORTED)
    apart = text[text.index("| by trigger reach | TP |") :]
    names = [line.split(" | ")[0] for line in apart.splitlines()[2:6]]
    assert names == [
        "| 1 victim: none",
        "| 1 victim: exray",
        "| universal: none",
        "| universal: exray",
    ]
    assert "One level only: architecture signs_resnet, num classes 8 classes." in text


def test_failed_and_missing_models_are_in_the_caption(table, rows):
    broken = rows.reset_index(drop=True)
    broken.loc[0, ["status", "verdict"]] = ["failed", "failed"]
    text = experiment_markdown(table, broken.iloc[:-1], REPORTED)
    assert f"exray: failed {broken.loc[0, 'model_id']}." in text
    assert "none: 7 of 8 models." in text


def test_an_accuracy_that_does_not_follow_is_marked(table, rows):
    from exray.evaluation.confusion import Counts

    counts = Counts(tp=1, fp=1, tn=1, fn=1)
    slip = ReportedRow(
        row="exray",
        column="polygon",
        dataset="trojai_r3",
        figures={"accuracy": 0.5},
        counts=counts,
        printed="0.6",
    )
    text = experiment_markdown(table, rows, [slip])
    assert "0.500 (0.6 printed)*" in text
    assert "* the paper prints another accuracy than follows from its counts." in text


def test_drawings_are_images(rows):
    predictions = row_predictions(rows)
    assert bars_png(predictions, "Table 1").startswith(PNG)
    swept = {
        f"beta {place / 10}": predicted
        for place, predicted in enumerate(predictions.values(), start=7)
    }
    theirs = [
        ReportedRow(
            row="beta 0.7", column="polygon", dataset="trojai_r2", figures={"accuracy": 0.836}
        )
    ]
    assert curves_png(swept, "beta", "Figure 19", theirs).startswith(PNG)


def test_the_drawing_of_probabilities_shows_rows_that_have_them(rows, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "exray.experiments.figures.figure_png", lambda figure: drawn.append(figure) or PNG
    )
    predictions = row_predictions(rows)
    silent = replace(predictions["none"], probability=predictions["none"].probability * math.nan)
    probabilities_png({"exray": predictions["exray"], "silent": silent}, "Table 1")
    ranking, meaning = drawn[0].axes
    assert [text.get_text() for text in ranking.get_legend().get_texts()] == ["exray"]
    assert meaning.lines[0].get_label().startswith("exray: off by 0.")
    stated, observed = meaning.lines[0].get_data()
    assert min(stated.min(), observed.min()) >= 0
    assert max(stated.max(), observed.max()) <= 1
    monkeypatch.undo()
    assert probabilities_png(predictions, "Table 1").startswith(PNG)


def test_what_a_person_wrote_stays_on_the_page():
    making = Provenance(
        title="Table 1",
        commands=["python run.py experiment=table_1"],
        facts={"seed": "0"},
        differs=["Another zoo."],
        costs=[("exray", 8, 30.0), ("l2", 8, 4.0)],
        scanning=100.0,
        notes=["l2: score 0.5"],
        figures=["polygon.png"],
    )
    page = readme_markdown(making, "")
    assert "Cold, scanning included: 134 s" in page
    assert "Warm, with the scanner's results kept: 34 s" in page
    assert page.endswith(f"{END}\n")
    again = readme_markdown(making, f"{page}\nWhat to make of it.\n")
    assert again == f"{page}\nWhat to make of it.\n"
    assert readme_markdown(making, again) == again
