"""An experiment's table in Markdown: a pure function of its rows and the paper's numbers."""

import re
from dataclasses import replace

import pytest
from hydra import compose, initialize_config_dir

from exray.app.config import register
from exray.app.instantiate import built
from exray.experiments.markdown import experiment_markdown, ordered_rows
from exray.experiments.published import ReportedRow
from exray.experiments.result import read_rows
from exray.experiments.table import ExperimentTable
from exray.presets import conf_folder

EXPERIMENTS = conf_folder().parent / "experiments"


# Tables of repairs are tested in test_repair_tables.py.
TABLES = sorted(
    path.stem
    for path in (conf_folder() / "experiment").glob("*.yaml")
    if not re.search(r"/table: (repairs|pair_sizes)|- repairs$", path.read_text(), re.MULTILINE)
)


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
