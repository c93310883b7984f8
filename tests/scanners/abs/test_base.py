"""One stimulation picks the pairs that a scanner inverts."""

import pytest

from exray.scanners.abs.base import StimulatedScanner, stimulate
from exray.scanners.abs.stimulation import StimulationSettings
from exray.scanners.base import ScannerResult
from exray.scanners.inversion.prescreen import PrescreenSettings, likely_pairs

pytestmark = pytest.mark.usefixtures("one_thread")

STIMULATION = StimulationSettings(
    layer="relu", images_per_class=2, levels=(0.0, 1.0), targets_per_victim=2
)
NARROW = PrescreenSettings(share=0.0, targets_per_victim=1)


class Recorded(StimulatedScanner):
    """Inverts nothing and remembers the pairs that it should have."""

    stimulation = STIMULATION
    prescreen = NARROW

    def __init__(self):
        self.pairs = None

    def invert(self, split, samples, pairs, progress=None):
        del split, samples, progress
        self.pairs = pairs
        return ScannerResult(triggers=(), num_candidates=len(pairs), flags=False)


def test_the_pre_screen_leaves_of_all_pairs_the_likely_ones(trojaned, colour_samples):
    split, every = stimulate(trojaned, colour_samples, STIMULATION, None)
    _, few = stimulate(trojaned, colour_samples, STIMULATION, NARROW)
    assert split.num_channels == 4
    assert len(every) == 6
    assert set(few) < set(every)
    pairs = {(pair.victim, pair.target) for pair in few}
    assert pairs == set(likely_pairs(trojaned, colour_samples, NARROW))


def test_a_scan_inverts_the_stimulated_pairs(trojaned, colour_samples):
    scanner = Recorded()
    assert scanner.scan(trojaned, colour_samples).num_candidates == 3
    assert scanner.pairs == stimulate(trojaned, colour_samples, STIMULATION, NARROW)[1]


def test_a_constant_network_is_not_even_stimulated(constant, colours):
    scanner = Recorded()
    assert scanner.scan(constant(0.0), colours).inconclusive
    assert scanner.pairs is None
