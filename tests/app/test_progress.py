"""Progress without a terminal: a line every 30 seconds, with the time left."""

import io

import pytest
from rich.console import Console

from exray.app.progress import ScanProgress


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def shown(clock, *, terminal):
    """What a scan of 100 seconds prints, a step per second."""
    file = io.StringIO()
    progress = ScanProgress(Console(file=file, force_terminal=terminal, width=100), 2, clock=clock)
    with progress.shown():
        progress.start("m[0]")
        for done in range(1, 101):
            clock.now += 1
            progress.stage("inversion", done, 100)
        progress.finish("m[0]: clean")
    return file.getvalue()


def test_without_a_terminal_a_line_every_30_seconds_says_how_long_it_will_take(clock):
    assert shown(clock, terminal=False).splitlines() == [
        "m[0]: inversion 30 of 100, about 0:01:08 left",
        "m[0]: inversion 60 of 100, about 0:00:39 left",
        "m[0]: inversion 90 of 100, about 0:00:10 left",
        "m[0]: clean",
    ]


def test_a_terminal_gets_bars_with_the_time_left_and_no_further_lines(clock):
    text = shown(clock, terminal=True)
    assert "of 100, about" not in text
    assert "left" in text
    assert "m[0]: clean" in text


def test_a_new_stage_starts_its_own_estimate(clock):
    file = io.StringIO()
    progress = ScanProgress(Console(file=file, force_terminal=False), 1, clock=clock)
    progress.start("m")
    clock.now += 29
    progress.stage("inversion", 0, 4)
    clock.now += 1
    progress.stage("judgement", 0, 10)
    clock.now += 40
    progress.stage("judgement", 4, 10)
    assert file.getvalue().splitlines() == [
        "m: judgement 0 of 10",
        "m: judgement 4 of 10, about 0:01:00 left",
    ]


def test_waiting_for_another_run_is_said_at_once_and_then_every_30_seconds(clock):
    file = io.StringIO()
    progress = ScanProgress(Console(file=file, force_terminal=False), 1, clock=clock)
    progress.start("m")
    for _ in range(62):
        clock.now += 1
        progress.stage("waiting for another run", 0, 0)
    assert file.getvalue().splitlines() == ["m: waiting for another run"] * 3
