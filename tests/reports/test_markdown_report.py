"""A run in Markdown: the answer first, and no text of a stranger is obeyed."""

from exray.reports.markdown_report import SHOWN_TRIGGERS, report_markdown
from exray.results.collection import collect
from exray.results.model_scan import ModelScan
from exray.results.store import ResultStore

EVIL = "<script>alert(1)</script>"  # as in conftest


def test_the_answer_comes_before_the_evidence_and_the_limits_last(store):
    (store.root / "id-1" / "record.json").unlink()
    text = report_markdown(collect(store), "Signs")
    order = ["# Signs", "## id-0: trojaned", "This model looks backdoored", "1. Do not use this"]
    order += ["| victim | target |", "| natural |", "2402.16926"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_of_several_models_a_table_comes_first_and_failed_ones_have_no_probability(store):
    text = report_markdown(collect(store), "Signs")
    assert "| id-0 | trojaned | 0.900 | 2 | 1 |" in text
    assert "| id-1 | failed | - | 0 | 0 |" in text
    assert text.index("| id-0 |") < text.index("## id-0")


def test_a_class_name_that_is_a_script_or_a_table_is_text(store, make_trigger):
    assert EVIL not in report_markdown(collect(store), EVIL)
    trigger = make_trigger(0, is_injected=True, victim_name="a|b\n# c")
    other = ResultStore(store.root.parent / "other")
    other.write(ModelScan(record=store.read("id-0").record, triggers=(trigger,)))
    assert "| a\\|b \\# c |" in report_markdown(collect(other), "Signs")


def test_further_triggers_are_counted(store, make_trigger):
    triggers = tuple(make_trigger(index, is_injected=False) for index in range(SHOWN_TRIGGERS + 3))
    other = ResultStore(store.root.parent / "other")
    other.write(ModelScan(record=store.read("id-0").record, triggers=triggers))
    text = report_markdown(collect(other), "Signs")
    assert text.count("| natural |") == SHOWN_TRIGGERS
    assert "3 more triggers are in report.html." in text
