"""A repair on the terminal: before and after, why it was refused, what cannot be repaired."""

import io

import pytest
from rich.console import Console

from exray.reports.repairs import render_repairs, repair_line, sentences
from exray.results.repairs import RepairRecord, RoundRecord, UnlearnedRecord

BEFORE = RoundRecord(
    accuracy=0.9, verdict="trojaned", probability=0.8, num_triggers=2, num_injected=1, strength=3.5
)
AFTER = RoundRecord(accuracy=0.88, verdict="clean", probability=0.1, num_triggers=0, num_injected=0)
TRIGGER = UnlearnedRecord(
    victim_class=0,
    target_class=1,
    victim_name="red",
    target_name="[b]green",
    source="patch",
    asr_before=1.0,
    asr_after=0.04,
)


def record(status, **values):
    return RepairRecord(
        model_id="m",
        run_id="r",
        status=status,
        method="unlearning",
        before=BEFORE,
        after=AFTER,
        unlearned=[TRIGGER],
        **values,
    )


def shown(*records):
    console = Console(file=io.StringIO(), width=120)
    render_repairs(records, console)
    return console.file.getvalue()


def test_before_and_after_stand_below_each_other_with_the_triggers():
    text = shown(record("repaired", weights="new.safetensors", true_asr_before=1.0))
    before, after = (
        line for line in text.splitlines() if " trojaned " in line or " clean " in line
    )
    assert before.split() == ["m", "before", "0.900", "trojaned", "0.80", "2", "1", "3.5", "1.000"]
    assert "after unlearning" in after
    assert "[b]green" in text  # a stranger's class name is no markup
    assert "written to new.safetensors" in text


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("refused", "nothing written. repair.force=true (exray repair --force) writes it"),
        ("forced", "by force, although it is not good enough"),
        ("nothing", "nothing to unlearn, nothing written"),
        ("failed", "failed, nothing written"),
    ],
)
def test_every_status_says_what_became_of_the_file(status, said):
    texts = sentences(record(status, reasons=["why"], weights="w"))
    assert texts[0] == "why"
    assert any(said in text for text in texts)


def test_what_natural_triggers_need_instead_is_said_where_there_are_some():
    assert "more varied images" in shown(record("repaired", num_natural=2))
    assert "2 natural triggers were left alone" in sentences(record("repaired", num_natural=2))
    assert "1 natural trigger was left alone" in sentences(record("repaired", num_natural=1))
    assert "more varied images" in shown(RepairRecord(model_id="m", run_id="r", status="nothing"))
    assert "more varied images" not in shown(record("repaired"))


def test_the_line_for_scripts_has_tabs_between_its_fields():
    line = repair_line(record("repaired", weights="new.safetensors"))
    assert line == "m\trepaired\t0.9000\t0.8800\ttrojaned\tclean\tnew.safetensors"
