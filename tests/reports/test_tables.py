from pathlib import Path

import pytest

from exray.reports.tables import comparison_markdown, read_records

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
WITH_TABLES = sorted(path.parent for path in EXPERIMENTS.glob("*/table.md"))


def test_there_is_a_committed_table():
    assert WITH_TABLES


@pytest.mark.parametrize("folder", WITH_TABLES, ids=lambda folder: folder.name)
def test_a_committed_table_follows_from_its_records(folder):
    frame = read_records(str(folder / "records.csv"))
    assert (folder / "table.md").read_text() == comparison_markdown(frame)
