"""Steps are counted for whoever wants to know."""

from exray.scanners.base import steps_reporter


def test_every_call_reports_one_more_step_of_the_total():
    calls = []
    report = steps_reporter(lambda *call: calls.append(call), 3)
    for _ in range(2):
        report()
    assert calls == [("inversion", 1, 3), ("inversion", 2, 3)]


def test_without_a_listener_steps_go_unreported():
    report = steps_reporter(None, 3)
    assert report() is None
