"""One exit status for several scans."""

import itertools

from exray.app.exit_status import STATUS, worst_status
from exray.rules.verdict import Verdict


def test_every_verdict_has_a_status():
    assert set(STATUS) == {verdict.value for verdict in Verdict}


def test_the_worst_does_not_depend_on_the_order():
    ranked = [1, 2, 3, 0]
    for statuses in itertools.product(ranked, repeat=3):
        assert worst_status(statuses) == ranked[min(ranked.index(status) for status in statuses)]
