from pathlib import Path

import pytest

from exray.reports.markdown import (
    comparison_markdown,
    judges_markdown,
    read_records,
)

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
CONF = Path(__file__).parents[2] / "conf" / "experiment"
WITH_TABLES = sorted(
    path.parent
    for path in EXPERIMENTS.glob("*/table.md")
    if not (CONF / f"{path.parent.name}.yaml").is_file()  # those have a test of their own
)


def test_there_is_a_committed_table():
    assert WITH_TABLES


@pytest.mark.parametrize("folder", WITH_TABLES, ids=lambda folder: folder.name)
def test_a_committed_table_follows_from_its_records(folder):
    frame = read_records(str(folder / "records.csv"))
    assert (folder / "table.md").read_text() == comparison_markdown(frame)


@pytest.fixture
def records():
    return read_records(str(Path(__file__).parent / "eight_records.csv"))


def test_the_comparison_says_what_the_judge_removes_and_loses(records):
    text = comparison_markdown(records)
    assert "| scanner + judge | 3 | 1 | 3 | 1 | 0.750 [0.250, 1.000] |" in text
    assert "removes 0.750 [0.250, 1.000] of the scanner's false positives" in text
    assert "| trivial rule: all clean | 0 | 0 | 4 | 4 |" in text


def test_judges_stand_side_by_side_and_are_tested_in_pairs(records):
    vanilla = records.assign(verdict="trojaned", probability=0.9)
    text = judges_markdown({"none": vanilla, "exray": records}, "exray")
    assert "| none | 4 | 4 | 0 | 0 |" in text
    assert "| none - exray | 8 | 1 | 3 | 0.625 |" in text
    assert judges_markdown({"exray": records}, "exray").count("paired") == 0
    with pytest.raises(ValueError, match="reference must be one of exray; got 'none'"):
        judges_markdown({"exray": records}, "none")


def test_a_zoo_of_one_kind_gives_dashes(records):
    clean = records[~records["is_trojaned"]]
    assert "| - | 0.250 [0.000, 0.750] |" in comparison_markdown(clean)
