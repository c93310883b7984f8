"""Scanner results are shared by content: asked once, remade when anything changes or is broken."""

import json
import threading
from dataclasses import dataclass, replace

import pytest
import torch

from exray.pipeline.scan_cache import SCAN_FILE, TRIGGERS_FILE, BusyError, ScanCache
from exray.scanners.base import Scanner, ScannerResult, SearchReport
from exray.triggers.patch import PatchTrigger


class Counts(Scanner):
    """Returns fixed triggers, and counts how often it was asked."""

    def __init__(self, *triggers):
        self.triggers, self.asked = triggers, 0

    def scan(self, classifier, samples, progress=None):
        del classifier, samples, progress
        self.asked += 1
        return ScannerResult(triggers=self.triggers, num_candidates=6, flags=bool(self.triggers))


@pytest.fixture
def scanner(white_patch, green_tint):
    return Counts(white_patch, green_tint)


def cache(root, *, seed=0, **config):
    return ScanCache(root, config={"name": "abs"} | config, seed=seed)


def test_a_cached_result_is_the_result(tmp_path, scanner, trojaned, colour_samples):
    fresh = cache(tmp_path).scan(scanner, trojaned, colour_samples)
    cached = cache(tmp_path).scan(scanner, trojaned, colour_samples)
    assert scanner.asked == 1
    assert fresh.cached_seconds is None
    assert cached.cached_seconds >= 0
    assert (cached.result.num_candidates, cached.result.flags) == (6, True)
    for before, after in zip(scanner.triggers, cached.result.triggers, strict=True):
        assert replace(after, trigger=before.trigger) == before
        assert torch.equal(after.trigger.mask, before.trigger.mask)
        assert torch.equal(after.trigger.pattern, before.trigger.pattern)


def test_what_was_searched_is_cached(tmp_path, trojaned, colour_samples):
    known = {"num_found": 0, "image_passes": 4321, "seconds": 1.25}
    searches = (
        SearchReport(name="patch", num_candidates=3, best_strength=-2.5, **known),
        SearchReport(
            name="warp", num_candidates=3, best_strength=None, inconclusive="no gradient", **known
        ),
    )

    class Searches(Scanner):
        def scan(self, classifier, samples, progress=None):
            del classifier, samples, progress
            return ScannerResult(triggers=(), num_candidates=6, flags=False, searches=searches)

    for _ in range(2):
        cached = cache(tmp_path).scan(Searches(), trojaned, colour_samples)
        assert cached.result.searches == searches
    assert cached.cached_seconds is not None


def test_an_entry_from_before_there_were_searches_is_read(
    tmp_path, scanner, trojaned, colour_samples
):
    cache(tmp_path).scan(scanner, trojaned, colour_samples)
    (entry,) = tmp_path.iterdir()
    content = json.loads((entry / SCAN_FILE).read_text())
    del content["result"]["searches"]
    (entry / SCAN_FILE).write_text(json.dumps(content))
    assert cache(tmp_path).scan(scanner, trojaned, colour_samples).result.searches == ()
    assert scanner.asked == 1


def test_a_result_without_triggers_is_cached_too(tmp_path, trojaned, colour_samples):
    scanner = Counts()
    for _ in range(2):
        assert cache(tmp_path).scan(scanner, trojaned, colour_samples).result.triggers == ()
    assert scanner.asked == 1


def test_whatever_the_result_follows_from_makes_another_entry(
    tmp_path, scanner, trojaned, clean_twin, colour_samples
):
    fewer = colour_samples.limited(3)
    asked = [
        (cache(tmp_path), trojaned, colour_samples),
        (cache(tmp_path, seed=1), trojaned, colour_samples),
        (cache(tmp_path, min_asr=0.5), trojaned, colour_samples),
        (cache(tmp_path), clean_twin, colour_samples),
        (cache(tmp_path), trojaned, fewer),
    ]
    for own_cache, classifier, samples in asked:
        own_cache.scan(scanner, classifier, samples)
    assert scanner.asked == len(list(tmp_path.iterdir())) == len(asked)


def test_a_moved_class_finds_its_entry(tmp_path, scanner, trojaned, colour_samples):
    for path in ("exray.scanners.old.AbsPatchScanner", "exray.scanners.new.AbsPatchScanner"):
        cache(tmp_path, engine={"_target_": path}).scan(scanner, trojaned, colour_samples)
    assert scanner.asked == 1


@pytest.mark.parametrize("name", [SCAN_FILE, TRIGGERS_FILE])
def test_a_broken_entry_is_computed_again(
    tmp_path, caplog, scanner, trojaned, colour_samples, name
):
    cache(tmp_path).scan(scanner, trojaned, colour_samples)
    (place,) = tmp_path.iterdir()
    (place / name).write_bytes(b"{")
    scan = cache(tmp_path).scan(scanner, trojaned, colour_samples)
    assert scanner.asked == 2
    assert scan.cached_seconds is None
    assert "cannot be read" in caplog.text
    assert cache(tmp_path).scan(scanner, trojaned, colour_samples).cached_seconds is not None


def test_without_a_folder_nothing_is_cached(scanner, trojaned, colour_samples):
    for _ in range(2):
        cache(None).scan(scanner, trojaned, colour_samples)
    assert scanner.asked == 2


@dataclass(frozen=True, kw_only=True)
class OwnKind(PatchTrigger):
    """A kind that no file can hold."""


def test_a_trigger_that_cannot_be_stored_is_judged_all_the_same(
    tmp_path, white_patch, trojaned, colour_samples
):
    there = white_patch.trigger
    own = OwnKind(mask=there.mask, pattern=there.pattern)
    scanner = Counts(replace(white_patch, trigger=own))
    for _ in range(2):
        scan = cache(tmp_path).scan(scanner, trojaned, colour_samples)
        assert scan.result.triggers[0].trigger is own
    assert scanner.asked == 2


class Slow(Counts):
    """Says when it begins, and waits for a signal to end."""

    def __init__(self, *triggers):
        super().__init__(*triggers)
        self.begun, self.may_end = threading.Event(), threading.Event()

    def scan(self, classifier, samples, progress=None):
        self.begun.set()
        assert self.may_end.wait(60)
        return super().scan(classifier, samples, progress)


def test_of_two_sweeps_at_once_one_inverts_and_the_other_waits(
    tmp_path, scanner, trojaned, colour_samples
):
    slow, scans = Slow(*scanner.triggers), {}

    def sweep(asked):
        scans[asked] = cache(tmp_path).scan(asked, trojaned, colour_samples)

    first = threading.Thread(target=sweep, args=(slow,))
    first.start()
    assert slow.begun.wait(60)
    with pytest.raises(BusyError):
        cache(tmp_path).scan(scanner, trojaned, colour_samples, wait=False)
    second = threading.Thread(target=sweep, args=(scanner,))
    second.start()
    slow.may_end.set()
    first.join()
    second.join()
    assert (slow.asked, scanner.asked) == (1, 0)
    assert scans[slow].cached_seconds is None
    assert scans[scanner].cached_seconds is not None
    (place,) = tmp_path.iterdir()
    assert len(json.loads((place / SCAN_FILE).read_text())["result"]["triggers"]) == 2
