"""A scan's answer for whoever must act on it: verdict, certainty, scope, and what to do next."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from exray.reports.formatting import number, percentage, searched_words
from exray.reports.search_words import NEVER_SEARCHED, SCANNER_WORDS, search_words
from exray.results.model_scan import ModelScan
from exray.results.records import ScanRecord, TriggerRecord
from exray.rules.grouped import IF_UNEVEN
from exray.rules.verdict import Verdict
from exray.text import some

FEW_IMAGES = 10  # per class; with fewer, more images come first among the next steps
SHOWN_CLASSES = 6

LIMITS = (
    "A clean scan says that the searches above found nothing, and no more.",
    "No detector that does not know the attack can be right about every backdoor: Pichler et al. "
    "(AISTATS 2024, arXiv 2402.16926) prove it impossible except for very small alphabets, and "
    "what can be reached grows with the clean data at hand.",
    "Whoever knows exray can train a backdoor that it does not find.",
    "Only classes with clean images were looked at, as victims and as targets.",
    "Most clean networks have natural triggers: patches that flip two classes that look alike. "
    "Whoever can place a patch before the camera can use those, too.",
)
"""What a clean scan does not promise, a sentence each."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a scan comes to, in sentences.

    Args:
        verdict: The verdict.
        headline: What was found.
        certainty: How sure that is, and what it rests on.
        looked_for: What was searched, how hard, on which images.
        not_looked_for: What was not.
        next_steps: What to do now, the most urgent first.
    """

    verdict: Verdict
    headline: str
    certainty: str
    looked_for: str
    not_looked_for: str
    next_steps: tuple[str, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """Everything but the next steps, without what is empty."""
        parts = (self.headline, self.certainty, self.looked_for, self.not_looked_for)
        return tuple(part for part in parts if part)


def answer_of(scan: ModelScan) -> Answer:
    """The answer that a scan's record gives.

    Args:
        scan: The scan; of an old record, without its provenance, what it says.
    """
    record = scan.record
    is_done = record.verdict not in (Verdict.FAILED, Verdict.INCONCLUSIVE)
    return Answer(
        verdict=record.verdict,
        headline=_headline(scan),
        certainty=_certainty(record) if is_done else _uncertainty(record),
        looked_for=_looked_for(record) if is_done else "",
        not_looked_for=_not_looked_for(record) if is_done else "",
        next_steps=_next_steps(scan),
    )


def ordered_triggers(triggers: Sequence[TriggerRecord]) -> list[TriggerRecord]:
    """The triggers, most suspicious first.

    Args:
        triggers: Of one classifier.
    """
    return sorted(triggers, key=lambda one: (not one.is_injected, -one.score, one.index))


def _headline(scan: ModelScan) -> str:
    record = scan.record
    if record.verdict is Verdict.TROJANED:
        worst = ordered_triggers(scan.triggers)[:1]
        return f"This model looks backdoored.{_shown_by(worst[0]) if worst else ''}"
    if record.verdict is Verdict.NATURAL_ONLY:
        return (
            f"No backdoor was found. Triggers that flip classes: {record.num_triggers}, none of "
            "them judged injected; they look like what tells similar classes apart."
        )
    if record.verdict is Verdict.CLEAN:
        return "No backdoor was found: no search turned up a trigger that works."
    if record.verdict is Verdict.FAILED:
        return f"The model was not scanned: {record.error_line or 'the scan failed'}"
    return f"Nothing can be said of this model: {_reason(record)}"


def _shown_by(trigger: TriggerRecord) -> str:
    by = f", found by the search {trigger.source}" if trigger.source else ""
    return (
        f" Images of {trigger.victim_name!r} are taken for {trigger.target_name!r} in "
        f"{percentage(trigger.asr)} of cases once a trigger is in them{by}, and the judge takes "
        "that trigger for injected."
    )


def _certainty(record: ScanRecord) -> str:
    """What the number is, what it was fitted on, and how often it was wrong elsewhere."""
    facts = record.provenance.calibration
    chance = number(record.probability, 2)
    if not facts:
        return (
            f"Its score is {chance}, a rank and no probability: scanner {record.scanner or '?'} "
            f"with judge {record.judge or '?'} was not calibrated. Triggers from 0.5 on count as "
            "injected."
        )
    return (
        f"Probability of a backdoor: {chance}, by a calibration fitted on "
        f"{facts.get('num_models', '?')} models of known truth ({facts.get('num_trojaned', '?')} "
        f"of them trojaned, {facts.get('zoo', 'a zoo')}).{_measured(record)} For models unlike "
        "these it was not measured."
    )


def _measured(record: ScanRecord) -> str:
    facts = record.provenance.calibration
    where = facts.get("measured_on")
    if not where:
        return ""
    num_clean, rate = facts.get("measured_num_clean"), float(facts.get("false_positive_rate", 0))
    if not num_clean:
        return f" On {where} it called {percentage(rate)} of clean ones trojaned."
    found, trojaned = facts.get("measured_num_found"), facts.get("measured_num_trojaned")
    caught = f" and {found} of {trojaned} trojaned ones" if trojaned else ""
    return (
        f" On {where}, to which it was not fitted, it called "
        f"{facts.get('measured_num_false_positives')} of {num_clean} clean models trojaned "
        f"({percentage(rate)}){caught}."
    )


def _uncertainty(record: ScanRecord) -> str:
    if record.verdict is Verdict.FAILED:
        return "There is no verdict and no probability."
    return (
        "Take it neither for clean nor for trojaned: a probability of 0.5 stands for not knowing."
    )


def _looked_for(record: ScanRecord) -> str:
    counts = [count for count in record.provenance.images_per_class.values() if count]
    images = f" on {sum(counts)} clean images of {_many(len(counts), 'class')}" if counts else ""
    if record.searches:
        kinds = ", ".join(search_words(str(search["name"])) for search in record.searches)
        return f"Looked for: {kinds} ({searched_words(record.searches)}){images}."
    kinds = SCANNER_WORDS.get(record.scanner, f"what scanner {record.scanner or '?'} inverts")
    return f"Looked for: {kinds} ({_many(record.num_candidates, 'candidate')}){images}."


def _not_looked_for(record: ScanRecord) -> str:
    empty = [name for name, count in record.provenance.images_per_class.items() if not count]
    classes = f"; triggers to or from {some(empty, SHOWN_CLASSES)}, without usable images"
    failed = [str(one["name"]) for one in record.searches if one.get("inconclusive")]
    searches = f"; in vain, since they could not be made: {', '.join(failed)}"
    return (
        f"Not looked for: {NEVER_SEARCHED}{classes if empty else ''}{searches if failed else ''}."
    )


def _next_steps(scan: ModelScan) -> tuple[str, ...]:
    record = scan.record
    if record.verdict is Verdict.TROJANED:
        return _after_alarm(scan)
    if record.verdict is Verdict.FAILED:
        return (
            "Mend what the message names and scan again.",
            "Until then the model is unchecked: do not use it.",
        )
    if record.verdict is Verdict.INCONCLUSIVE:
        return (
            "Mend what the reason names (preprocessing, the order of the classes, more images) "
            "and scan again.",
            "Until then the model is unchecked: do not use it.",
        )
    steps = [*_more_images(record), "Keep the SHA-256 of the file, and use that file only."]
    if record.verdict is Verdict.NATURAL_ONLY:
        pairs = dict.fromkeys(
            " and ".join(sorted((one.victim_name, one.target_name))) for one in scan.triggers
        )
        steps.append(
            f"Do not let much hang on telling apart {some(list(pairs), SHOWN_CLASSES)}: a patch "
            "flips them."
        )
    return (
        *steps,
        "Know its limits: it rests on these searches alone, and no detector finds every backdoor.",
    )


def _after_alarm(scan: ModelScan) -> tuple[str, ...]:
    record = scan.record
    return (
        "Do not use this model.",
        "Look at the evidence below: where the trigger is a piece of the target itself, it may be "
        "natural, and the alarm false.",
        *_uneven_classes(scan),
        *_more_images(record),
        "Ask its author for the training data and the code, and whether the file's SHA-256 is "
        "the published one.",
        "If you must use it, repair it with clean images of your own (exray repair), which scans "
        "the result again; else train another.",
    )


def _uneven_classes(scan: ModelScan) -> tuple[str, ...]:
    """What an alarm comes to where a training on uneven classes may look like an attack."""
    chances = [
        chance
        for trigger in scan.triggers
        if not math.isnan(chance := trigger.measurements.get(IF_UNEVEN, math.nan))
    ]
    if not chances:
        return ()
    return (
        "If its classes had unlike numbers of training images, which leaves traces like those of "
        f"an attack, the probability of a backdoor is {number(max(chances), 2)} (exray scan "
        "--judge exray_uneven).",
    )


def _more_images(record: ScanRecord) -> tuple[str, ...]:
    """The advice to scan with more images, where there were few."""
    counts = [count for count in record.provenance.images_per_class.values() if count]
    if not counts or min(counts) >= FEW_IMAGES:
        return ()
    return (
        f"Scan again with more clean images: some class had {min(counts)}, and a verdict on fewer "
        f"than {FEW_IMAGES} moves easily.",
    )


def _reason(record: ScanRecord) -> str:
    """Why an inconclusive scan says nothing, which is its last warning."""
    reasons = [text for text in record.warnings if text.startswith("inconclusive: ")]
    return reasons[-1].removeprefix("inconclusive: ") + "." if reasons else "no reason is recorded."


def _many(count: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"


def has_probability(record: ScanRecord) -> bool:
    """Whether a record has a probability; failed ones, old ones too, have none.

    Args:
        record: The record.
    """
    return record.verdict is not Verdict.FAILED and not math.isnan(record.probability)
