"""ABS from its plain form to the default, one gain after another."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from unittest import mock

import torch
from benchmark_models import Subject, scanner
from reference_scanners import centred_squares, every_candidate, plain_some
from result_tables import Row

from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.abs.patches import AbsPatchScanner
from exray.scanners.inversion import initialization as probe
from exray.scanners.inversion import loop as engine
from exray.scanners.inversion.best_states import StopRule
from exray.scanners.inversion.loop import Inversion
from exray.scanners.inversion.measurement import inverted_trigger
from exray.scanners.inversion.objectives import BoundedLead
from exray.scanners.inversion.prescreen import PrescreenSettings
from exray.scanners.inversion.rounds import InversionRound
from exray.triggers.base import InvertedTrigger

_NEVER = StopRule(good_score=3.0, patience=1000, gain=0.0)  # scores end at 2
_WIDE = 1 << 19  # pixels in a call: 128 images of 64 x 64


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One model, its ABS and the candidates that the rows without a probe run."""

    subject: Subject
    abs: AbsPatchScanner
    places: Sequence[int]
    num_candidates: int


def ladder_rows(subject: Subject, share: int) -> list[Row]:
    """Seconds of each way of scanning, and the injected trigger that it found.

    Ways without a probe run one in ``share`` candidates, the injected ones among them; their
    seconds are scaled up to all.
    """
    one = scanner("abs")
    assert isinstance(one, AbsPatchScanner)
    rows: list[Row] = []

    def add(step: str, seconds: float, triggers: Sequence[InvertedTrigger]) -> None:
        pairs = subject.injected
        true = [
            trigger for trigger in triggers if (trigger.victim_class, trigger.target_class) in pairs
        ]
        first = rows[0]["seconds"] if rows else seconds
        assert isinstance(first, float)
        rows.append(
            {
                "step": step,
                "seconds": round(seconds, 2),
                "speedup_over_reference": round(first / seconds, 2),
                "found": len(true),
                "asr": round(max(trigger.asr for trigger in true), 2) if true else None,
                "pixels": min((trigger.trigger.size_pixels for trigger in true), default=None),
            }
        )

    plain = plain_some(one, subject.classifier, subject.samples, subject.injected, share)
    add("reference: each pair by itself, all images, all steps", plain.seconds, plain.triggers)
    bench = Bench(
        subject=subject, abs=one, places=plain.places, num_candidates=plain.num_candidates
    )
    with _old_calls():
        add("+ batch norms folded", *_squares(bench, together=False))
        add("+ candidates in one batch", *_squares(bench, together=True))
    add("+ calls that fit the cache, channels last", *_squares(bench, together=True))
    add("+ probe: where to start, three targets a victim", *_scan(bench, few=False, stop=False))
    add("+ few images and steps first, elimination", *_scan(bench, few=True, stop=False))
    add("+ candidates stop (the default)", *_scan(bench, few=True, stop=True))
    add("+ K-Arm's pre-screen (an option)", *_scan(bench, few=True, stop=True, prescreen=True))
    return rows


@contextmanager
def _old_calls() -> Iterator[None]:
    """Calls of 128 images in torch's usual layout."""
    usual = torch.contiguous_format
    with (
        mock.patch.object(engine, "pixels_per_call", return_value=_WIDE),
        mock.patch.object(engine, "fastest_layout", return_value=usual),
        mock.patch.object(probe, "pixels_per_call", return_value=_WIDE),
        mock.patch.object(probe, "fastest_layout", return_value=usual),
    ):
        yield


def _squares(bench: Bench, *, together: bool) -> tuple[float, list[InvertedTrigger]]:
    """All images and steps on the engine, whose network is folded, from squares in the centre."""
    one, subject = bench.abs, bench.subject
    samples = subject.samples
    candidates = [every_candidate(one, samples)[place] for place in bench.places]
    begun = perf_counter()
    split = SplitClassifier(subject.classifier, one.stimulation.layer, example=samples.images[:4])
    height, width = samples.images.shape[-2:]
    bound = one.patch.max_size_share * height * width
    inversion = Inversion(
        split,
        candidates,
        [samples.of_class(candidate.victims[0]) for candidate in candidates],
        shape=centred_squares(candidates, bound, (height, width)),
        objective=BoundedLead(max_pixels=bound, neuron_weight=0.0),
        settings=one.inversion,
    )
    places, steps = range(len(candidates)), sum(stage.steps for stage in one.rounds)
    for part in [list(places)] if together else [[place] for place in places]:
        inversion.run(steps, alive=part, images_per_step=_images(bench))
    triggers = _good(inversion, places, one.min_asr)
    seconds = perf_counter() - begun
    return seconds * bench.num_candidates / len(candidates), triggers


def _images(bench: Bench) -> int:
    return max(bench.subject.samples.counts())


def _good(inversion: Inversion, places: Sequence[int], bar: float) -> list[InvertedTrigger]:
    scores = inversion.best_score.tolist()
    triggers = [
        inverted_trigger(inversion, place, source="ladder")
        for place in places
        if scores[place] >= 0
    ]
    return [trigger for trigger in triggers if trigger.asr >= bar]


def _scan(
    bench: Bench, *, few: bool, stop: bool, prescreen: bool = False
) -> tuple[float, list[InvertedTrigger]]:
    """The whole scan, with all images and steps for all candidates unless ``few``."""
    one, samples = scanner("abs"), bench.subject.samples
    assert isinstance(one, AbsPatchScanner)
    rounds = tuple(one.rounds)
    if not few:
        steps = sum(stage.steps for stage in rounds)
        whole = InversionRound(
            steps=steps, images_per_victim=_images(bench), min_score=0.0, keep=99
        )
        rounds = (whole,)
    one = replace(one, rounds=rounds, stop=one.stop if stop else _NEVER)
    if prescreen:
        one = replace(one, prescreen=PrescreenSettings(share=0.0, targets_per_victim=3))
    begun = perf_counter()
    triggers = one.scan(bench.subject.classifier, samples).triggers
    return perf_counter() - begun, list(triggers)
