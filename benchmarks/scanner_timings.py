"""What one row of the scanners' benchmark measures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import median
from time import perf_counter

import torch
from benchmark_models import SEED, Subject, embedded, planted, scanner
from hydra import compose, initialize_config_dir
from reference_scanners import is_found, is_injected, plain_some
from result_tables import Row
from timing import floor, in_turns, median_ratio
from torch import nn

from exray.app.instantiate import built
from exray.judges.base import Judge
from exray.models.splitting.split_classifier import SplitClassifier
from exray.presets import conf_folder
from exray.scanners.abs.filters import AbsFilterScanner
from exray.scanners.abs.patches import AbsPatchScanner
from exray.scanners.abs.stimulation import StimulatedPair
from exray.scanners.base import Scanner, ScannerResult
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.loop import Inversion
from exray.scanners.k_arm.scanner import KArm
from exray.scanners.neural_cleanse.scanner import NeuralCleanse
from exray.scanners.sri.search import UntargetedSearch
from exray.scanners.sri.sri_re import SriRe
from exray.triggers.base import InvertedTrigger

SCANNERS = ("abs", "abs_filter", "neural_cleanse", "k_arm", "sri_re")
PARTS = ("model", "whole", "steps", "ladder", "classes")
MODELS = ("id-00000001", "id-00000000")  # of the embedded zoo; the first is trojaned
CLASSES = (5, 10, 20, 40)
# To see that everything runs, fewer steps of both forms.
SHORTER = {
    "k_arm": ["scanner.engine.arms.plays=200"],
    "sri_re": [
        "scanner.engine.shapes.0.schedule.steps=16",
        "scanner.engine.shapes.1.schedule.rounds=2",
    ],
}


@dataclass(frozen=True, kw_only=True)
class Network:
    """What is timed on one kind of network."""

    changes: dict[str, list[str]]
    passes: int  # samples of a measured run of steps
    plain_share: int  # one of so many candidates is inverted in the plain form


NETWORKS = {
    "mini": Network(changes={}, passes=1200, plain_share=6),
    "resnet18": Network(changes={}, passes=40, plain_share=6),
    "tiny": Network(changes=SHORTER, passes=12, plain_share=6),
}


@cache
def subject_of(network: str) -> Subject:
    """The trojaned classifier of a name."""
    if network == "mini":
        return embedded(MODELS[0])
    if network == "tiny":
        return planted("signs_resnet", num_classes=3, pixels=32, images_per_class=3)
    return planted("torchvision/resnet18", num_classes=4, pixels=64, images_per_class=5)


def whole_row(network: str, name: str, share: int) -> Row:
    """A scan against its plain form, of which one in ``share`` candidates is run and timed."""
    subject, settings = subject_of(network), NETWORKS[network]
    one = scanner(name, settings.changes.get(name, []))
    result, seconds = timed_scan(one, subject)
    plain = plain_some(one, subject.classifier, subject.samples, subject.injected, share)
    theirs = [
        (inversion.asr, inversion.size)
        for inversion in plain.inversions
        if is_injected(one, inversion.candidate, subject.injected)
        and is_found(one, inversion, plain.inversions)
    ]
    ours = [
        (asr_of(one, subject, trigger), float(trigger.trigger.size_pixels))
        for trigger in injected_of(one, subject, result)
    ]
    return {
        "network": network,
        "scanner": name,
        "seconds": round(seconds, 2),
        "reference_seconds": round(plain.seconds, 2),
        "speedup_over_reference": round(plain.seconds / seconds, 2),
        "reference_timed": f"{len(plain.inversions)} of {plain.num_candidates}",
        "found": len(ours),
        "reference_found": len(theirs),
        "asr": _best_asr(ours),
        "reference_asr": _best_asr(theirs),
        "pixels": _least(ours),
        "reference_pixels": _least(theirs),
    }


def timed_scan(one: Scanner, subject: Subject) -> tuple[ScannerResult, float]:
    """A scan and its seconds."""
    begun = perf_counter()
    result = one.scan(subject.classifier, subject.samples)
    return result, perf_counter() - begun


def injected_of(one: Scanner, subject: Subject, result: ScannerResult) -> list[InvertedTrigger]:
    """The triggers that were injected."""
    return [
        trigger
        for trigger in result.triggers
        if is_injected(
            one,
            Candidate(victims=(trigger.victim_class,), target=trigger.target_class),
            subject.injected,
        )
    ]


def asr_of(one: Scanner, subject: Subject, trigger: InvertedTrigger) -> float:
    """ASR on the images that the plain form counts: of Neural Cleanse, of all other classes."""
    if not isinstance(one, NeuralCleanse):
        return trigger.asr
    images = subject.samples.images[subject.samples.labels != trigger.target_class]
    answers = subject.classifier.predict(trigger.trigger.apply(images)).argmax(dim=1)
    return float((answers == trigger.target_class).double().mean())


def _best_asr(triggers: Sequence[tuple[float, float]]) -> float | None:
    return round(max(asr for asr, _ in triggers), 2) if triggers else None


def _least(triggers: Sequence[tuple[float, float]]) -> float | None:
    return round(min(size for _, size in triggers), 1) if triggers else None


def some_steps(one: Scanner, subject: Subject, passes: int) -> tuple[Callable[[], object], int]:
    """Inversion steps of a few candidates, and the samples that pass in them."""
    samples = subject.samples
    if isinstance(one, SriRe):
        shape = one.shapes[0]
        in_step = shape.schedule.images_per_class * len(set(samples.labels.tolist()))
        steps = max(1, passes // in_step)
        short = replace(shape, schedule=replace(shape.schedule, rounds=1, steps=steps))
        search = UntargetedSearch(
            subject.classifier, samples, short, seed=SEED, early_stopping=None
        )
        return lambda: list(search.run(lambda: None)), steps * in_step
    inversion, images = _inversion(one, subject)
    places = range(len(inversion.candidates))
    in_step = images * len(places)
    steps = max(1, passes // in_step)
    return lambda: inversion.run(steps, alive=places, images_per_step=images), steps * in_step


def _inversion(one: Scanner, subject: Subject) -> tuple[Inversion, int]:
    """An inversion of the first two victims' or targets' candidates, and images in a step."""
    samples, example = subject.samples, subject.samples.images[:4]
    classes = range(min(4, samples.num_classes))
    pairs = [(v, t) for v in (0, 1) for t in classes if v != t]
    pointers = [StimulatedPair(victim, target, 0) for victim, target in pairs]
    if isinstance(one, AbsPatchScanner):
        split = SplitClassifier(subject.classifier, one.stimulation.layer, example=example)
        return one.start(split, samples, pointers)[0], one.rounds[-1].images_per_victim
    if isinstance(one, AbsFilterScanner):
        split = SplitClassifier(subject.classifier, one.stimulation.layer, example=example)
        tried = [Candidate(victims=(victim,), target=target) for victim, target in pairs]
        return one.start(split, samples, tried), one.rounds[-1].images_per_victim
    if isinstance(one, NeuralCleanse):
        split = SplitClassifier(subject.classifier, one.layer, example=example)
        return one.start(split, samples, one.candidates(classes)), one.images_per_step
    assert isinstance(one, KArm)
    (first, *_) = one.starter(subject.classifier, samples).pair_arms(pairs)
    assert isinstance(first.inversion, Inversion)
    return first.inversion, one.images_per_step


def steps_row(network: str, name: str, rounds: int) -> Row:
    """Inversion steps against as many bare passes, in turns; medians."""
    subject = subject_of(network)
    device = subject.samples.images.device
    action, count = some_steps(scanner(name), subject, NETWORKS[network].passes)
    bare, layout = best_floor(subject, count)
    action()
    times = in_turns({"steps": action, "floor": bare}, device, rounds)
    return {
        "network": network,
        "scanner": name,
        "samples": count,
        "seconds": round(median(times["steps"]), 4),
        "floor_seconds": round(median(times["floor"]), 4),
        "ratio_to_floor": round(median_ratio(times["steps"], times["floor"]), 3),
        "floor_layout": layout,
    }


def best_floor(subject: Subject, count: int) -> tuple[Callable[[], None], str]:
    """Bare passes of ``count`` samples, in the batches and the layout that are fastest."""
    images = subject.classifier.preprocessing(subject.samples.images)
    split = SplitClassifier(subject.classifier, "last_conv", example=subject.samples.images[:4])
    whole = nn.Sequential(split.body, split.head)
    bare = {
        "channels last": floor(whole, images.contiguous(memory_format=torch.channels_last), count),
        "usual": floor(whole, images, count),
    }
    times = in_turns(bare, images.device, 2)
    layout = min(times, key=lambda name: min(times[name]))
    return bare[layout], layout


def classes_row(name: str, num_classes: int, pixels: int) -> Row:
    """Seconds of a scan of the mini architecture with so many classes."""
    subject = planted("signs_resnet", num_classes=num_classes, pixels=pixels, images_per_class=10)
    one = scanner(name, [])
    result, seconds = timed_scan(one, subject)
    return {
        "scanner": name,
        "classes": num_classes,
        "seconds": round(seconds, 2),
        "candidates": result.num_candidates,
        "found": len(injected_of(one, subject, result)),
    }


def model_row(model_id: str) -> Row:
    """Seconds of scan and judgement of one embedded model, as `make run` does them."""
    subject = embedded(model_id)
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        judge = built(compose("config").judge.engine, Judge)
    begun = perf_counter()
    result = scanner("abs").scan(subject.classifier, subject.samples)
    scanned = perf_counter()
    judge.judge(subject.classifier, subject.samples, result.triggers)
    done = perf_counter()
    return {
        "model": model_id,
        "triggers": len(result.triggers),
        "scan_seconds": round(scanned - begun, 2),
        "judgement_seconds": round(done - scanned, 2),
        "seconds": round(done - begun, 2),
        "judgement_share": round((done - scanned) / (done - begun), 2),
    }
