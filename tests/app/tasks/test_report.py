"""Tables and the report of stored records anew."""

import pytest

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_report_is_rebuilt_from_records_without_the_zoo(command, results, before):
    derived = ("report.html", "summary.json", "records.csv", "triggers.csv")
    for name in derived:
        (results / name).unlink()
    there = {path: path.stat().st_mtime_ns for path in results.glob("id-*/*")}
    ran = command("task=report", f"paths.results={results.parent}", "name=run")
    assert ran.status == 0
    assert ran.out == before.out
    assert {path: path.stat().st_mtime_ns for path in results.glob("id-*/*")} == there
    assert all((results / name).is_file() for name in derived)


def test_a_report_of_nothing_is_a_mistake(command, tmp_path):
    said = command("task=report", f"paths.results={tmp_path}", "name=empty").mistake()
    assert said.endswith("empty holds no records; scan first, or give name=NAME")
    assert not (tmp_path / "empty").exists()
