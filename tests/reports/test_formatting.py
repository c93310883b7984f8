"""Words and numbers as reports show them; a stranger's text obeys nothing."""

import math

import pytest

from exray.evaluation.bootstrap import Estimate
from exray.reports.formatting import clean_text, number, trigger_word, truth_word, with_interval


@pytest.mark.parametrize(
    ("truth", "word"), [(True, "trojaned"), (False, "clean"), (None, "-")], ids=str
)
def test_ground_truth_is_a_word_or_a_dash(truth, word):
    assert truth_word(truth) == word


def test_a_triggers_verdict_is_a_word(make_trigger):
    words = [trigger_word(make_trigger(0, is_injected=value)) for value in (True, False)]
    assert words == ["injected", "natural"]


def test_zero_is_a_number_and_infinity_stays_one():
    assert number(0.0, 2) == "0.00"
    assert number(math.inf, 2) == "inf"
    assert number(None, 2) == number(math.nan, 2) == "-"


def test_a_figure_without_an_interval_stands_alone():
    assert with_interval(Estimate(value=0.5, low=math.nan, high=math.nan)) == "0.500"
    estimate = Estimate(value=0.5, low=0.25, high=1.0)
    assert with_interval(estimate, digits=1, separator="\n") == "0.5\n[0.2, 1.0]"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jstop", "?[2Jstop"),
        ("stop\nyield\r\t", "stop?yield??"),
        ("\u202estop", "?stop"),
        ("[bold red]stop[/]", "[bold red]stop[/]"),
        ("caf\u00e9", "caf\u00e9"),
    ],
)
def test_a_strangers_text_has_as_many_characters_and_none_that_steers(text, shown):
    cleaned = clean_text(text, style="bold")
    assert cleaned.plain == shown
    assert len(cleaned) == len(text)
    assert (cleaned.style, cleaned.spans) == ("bold", [])
