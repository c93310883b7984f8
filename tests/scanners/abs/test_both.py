"""ABS for patches and for filters on one stimulation: nothing either finds is lost."""

from dataclasses import replace

import pytest

from exray.scanners.abs import both
from exray.scanners.abs.base import stimulate
from exray.scanners.abs.both import AbsBoth
from exray.scanners.ensemble import ScannerEnsemble


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("levels", [(0.0, 1.0), (0.0, 0.5)])
def test_abs_both_finds_what_its_scanners_find_with_one_stimulation_if_they_agree(
    parts, trojaned, colour_samples, monkeypatch, levels
):
    patches, filters = parts
    filters = replace(filters, stimulation=replace(filters.stimulation, levels=levels))
    expected = ScannerEnsemble(scanners=[patches, filters]).scan(trojaned, colour_samples)
    stimulations = []

    def counted(*arguments):
        stimulations.append(arguments)
        return stimulate(*arguments)

    monkeypatch.setattr(both, "stimulate", counted)
    result = AbsBoth(patch=patches, filter=filters).scan(trojaned, colour_samples)
    assert len(stimulations) == (1 if levels == (0.0, 1.0) else 2)
    assert result.num_candidates == expected.num_candidates
    assert [
        (trigger.source, trigger.victim_class, trigger.target_class, trigger.asr)
        for trigger in result.triggers
    ] == [
        (trigger.source, trigger.victim_class, trigger.target_class, trigger.asr)
        for trigger in expected.triggers
    ]
