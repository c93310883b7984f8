"""The run as HTML that needs nothing else: one file, or pages where there are many models."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from exray.reports.answer import LIMITS, Answer, answer_of, has_probability, ordered_triggers
from exray.reports.formatting import number, searched_words, truth_word, with_interval
from exray.reports.glossary import GLOSSARY
from exray.reports.markdown import comparison_notes, comparison_rows
from exray.reports.pages import (
    DRAWN_PER_PAGE,
    page_links,
    page_path,
    parts,
    remove_pages_beyond,
)
from exray.reports.provenance_facts import provenance_pairs, shared_pairs
from exray.reports.trigger_cards import TriggerCard, trigger_card
from exray.results.collection import Collection
from exray.results.model_scan import ModelScan
from exray.results.records import ScanRecord
from exray.rules.verdict import Verdict
from exray.storage.atomic_files import replace_file

REPORT_FILE = "report.html"  # its name in a run's folder
OPEN_CARDS = 8  # further natural triggers are folded; injected ones never
SHOWN_MISSING = 200  # models without a record that the table lists
DRAWN_NATURAL_CARDS = 24  # beyond it cards have no images, or the file grows too large to open


@dataclass(frozen=True, kw_only=True)
class ModelSection:
    """One classifier's part of the report.

    Args:
        anchor: Where links to it lead.
        record: Its record.
        answer: What it comes to.
        shown: Cards of its triggers, most suspicious first: all injected ones, a few others.
        folded: Cards of the other natural ones.
        look: What the static look found in its file, as text.
        num_undrawn: Cards that were left without images.
    """

    anchor: str
    record: ScanRecord
    answer: Answer
    shown: list[TriggerCard]
    folded: list[TriggerCard]
    look: list[tuple[str, str]]
    num_undrawn: int

    @property
    def searched(self) -> str:
        """What the scanner's searches came to, in a few words."""
        return searched_words(self.record.searches)

    @property
    def has_probability(self) -> bool:
        """Whether there is a probability; a failed scan has none."""
        return has_probability(self.record)

    @property
    def provenance(self) -> list[tuple[str, str]]:
        """Code, machine, file, images and calibration behind the scan, as text."""
        return provenance_pairs(self.record)


@dataclass(frozen=True, kw_only=True)
class TimeShare:
    """A stage's part of the scan time.

    Args:
        name: The stage.
        seconds: Over all models.
        percent: Of the whole.
    """

    name: str
    seconds: float
    percent: float


def write_report(
    collection: Collection,
    path: Path,
    title: str,
    *,
    config: Mapping[str, object] | None = None,
) -> None:
    """Write the run as HTML that needs no second file, no script and no outside request.

    More than a hundred models are spread over pages, ``report-2.html`` and on, linked to each
    other; the first holds the figures of all.

    Args:
        collection: The run's records; missing ones are named.
        path: The file; replaced if there.
        title: Its heading.
        config: The run's configuration by dotted key; None where there is none.

    Raises:
        RecordError: If a stored tensor is broken; names the file.
    """
    of_pages = parts(collection.scans, _num_drawn)
    for place, page in _pages(collection, title, config, path, of_pages):
        replace_file(page_path(path, place), page.encode())
    remove_pages_beyond(path, len(of_pages))


def report_page(
    collection: Collection, title: str, *, config: Mapping[str, object] | None = None
) -> str:
    """All that :func:`write_report` writes, as one page whatever its length.

    Args:
        collection: The run's records; missing ones are named.
        title: Its heading.
        config: The run's configuration by dotted key; None where there is none.

    Raises:
        RecordError: If a stored tensor is broken; names the file.
    """
    ((_, page),) = _pages(collection, title, config, Path(REPORT_FILE), [collection.scans])
    return page


def _pages(
    collection: Collection,
    title: str,
    config: Mapping[str, object] | None,
    path: Path,
    of_pages: Sequence[Sequence[ModelScan]],
) -> Iterator[tuple[int, str]]:
    """Each page with its number, the first one last: it leads to all others."""
    template = page_environment().get_template("report.html.j2")
    ids = [[scan.record.model_id for scan in part] for part in of_pages if part]
    labels = [f"{part[0]} to {part[-1]}" for part in ids]
    whole = {
        "title": title,
        "collection": collection,
        "facts": _facts(collection),
        "config": sorted((config or {}).items()),
        "tallies": _tallies(collection),
        "has_truth": bool(collection.frame["is_trojaned"].notna().any()),
        "comparison": comparison_rows(collection.frame),
        "notes": comparison_notes(collection.frame),
        "time_shares": _time_shares(collection.frame),
        "limits": LIMITS,
        "glossary": GLOSSARY,
        "missing": collection.missing[:SHOWN_MISSING],
        "num_pages": len(of_pages),
    }
    for place, part in reversed(list(enumerate(of_pages, start=1))):
        sections = [_section(scan, index) for index, scan in enumerate(part)]
        links = page_links(path, labels, place)
        yield place, template.render(**whole, number=place, pages=links, sections=sections)


def page_environment() -> Environment:
    """Where the pages' templates are, with what they print numbers by."""
    environment = Environment(
        loader=PackageLoader("exray.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["truth"] = truth_word
    environment.filters["with_interval"] = with_interval
    return environment


def _num_drawn(scan: ModelScan) -> int:
    """How many cards with pictures a classifier has."""
    natural = sum(not trigger.is_injected for trigger in scan.triggers)
    drawn = len(scan.triggers) - natural + min(natural, DRAWN_NATURAL_CARDS)
    return min(drawn, DRAWN_PER_PAGE)


def _section(scan: ModelScan, index: int) -> ModelSection:
    triggers = ordered_triggers(scan.triggers)
    num_injected = sum(trigger.is_injected for trigger in triggers)
    num_drawn = min(num_injected + DRAWN_NATURAL_CARDS, DRAWN_PER_PAGE)
    num_shown = max(num_injected, OPEN_CARDS)
    cards = [
        trigger_card(trigger, scan.tensors if place < num_drawn else {})
        for place, trigger in enumerate(triggers)
    ]
    return ModelSection(
        anchor=f"model-{index}",
        record=scan.record,
        answer=answer_of(scan),
        shown=cards[:num_shown],
        folded=cards[num_shown:],
        look=[(name, _counted(value)) for name, value in scan.record.look.items()],
        num_undrawn=max(0, len(cards) - num_drawn),
    )


def _counted(value: str | int) -> str:
    return f"{value:,}" if isinstance(value, int) else value


def _facts(collection: Collection) -> list[tuple[str, str]]:
    """Dataset, scanner and the like, and where the records come from: over all records."""
    names = ("dataset", "scanner", "judge", "layer", "architecture", "seed", "run_id")
    values = {
        name: sorted({str(value) for value in collection.frame[name]} - {""}) for name in names
    }
    facts = [(name.replace("_", " "), ", ".join(words)) for name, words in values.items() if words]
    return facts + shared_pairs([scan.record for scan in collection.scans])


def _tallies(collection: Collection) -> list[tuple[Verdict, int]]:
    verdicts = [scan.record.verdict for scan in collection.scans]
    order = (
        Verdict.TROJANED,
        Verdict.NATURAL_ONLY,
        Verdict.CLEAN,
        Verdict.INCONCLUSIVE,
        Verdict.FAILED,
    )
    return [(verdict, verdicts.count(verdict)) for verdict in order]


def _time_shares(frame: pd.DataFrame) -> list[TimeShare]:
    total = float(frame["seconds"].sum())
    if not total > 0 or math.isinf(total):
        return []
    inversion = float(frame["inversion_seconds"].sum())
    judgement = float(frame["judgement_seconds"].sum())
    rest = max(total - inversion - judgement, 0.0)
    stages = {"inversion": inversion, "judgement": judgement, "the rest": rest}
    return [
        TimeShare(name=name, seconds=seconds, percent=100 * seconds / total)
        for name, seconds in stages.items()
    ]
