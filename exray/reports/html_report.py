"""The run as one HTML file that needs nothing else."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from exray.reports.formatting import number, searched_words, truth_word, with_interval
from exray.reports.markdown import comparison_notes, comparison_rows
from exray.reports.trigger_cards import TriggerCard, trigger_card
from exray.results.collection import Collection
from exray.results.model_scan import ModelScan
from exray.results.records import ScanRecord
from exray.rules.verdict import Verdict
from exray.storage.atomic_files import replace_file

REPORT_FILE = "report.html"  # its name in a run's folder
OPEN_NATURAL_CARDS = 2  # more natural triggers than this are folded
DRAWN_NATURAL_CARDS = 24  # beyond it cards have no images, or the file grows too large to open


@dataclass(frozen=True, kw_only=True)
class ModelSection:
    """One classifier's part of the report.

    Args:
        anchor: Where links to it lead.
        record: Its record.
        injected: Cards of triggers judged injected.
        natural: Cards of the others.
        look: What the static look found in its file, as text.
        num_undrawn: Natural cards that were left without images.
    """

    anchor: str
    record: ScanRecord
    injected: list[TriggerCard]
    natural: list[TriggerCard]
    look: list[tuple[str, str]]
    num_undrawn: int

    @property
    def searched(self) -> str:
        """What the scanner's searches came to, in a few words."""
        return searched_words(self.record.searches)

    @property
    def folds_natural(self) -> bool:
        """Whether the natural triggers are folded away at first."""
        return len(self.natural) > OPEN_NATURAL_CARDS


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
    """Write the run as one HTML file: no second file, no script, no outside request.

    Args:
        collection: The run's records; missing ones are named.
        path: The file; replaced if there.
        title: Its heading.
        config: The run's configuration by dotted key; None where there is none.

    Raises:
        RecordError: If a stored tensor is broken; names the file.
    """
    page = (
        page_environment()
        .get_template("report.html.j2")
        .render(
            title=title,
            collection=collection,
            facts=_facts(collection),
            config=sorted((config or {}).items()),
            tallies=_tallies(collection),
            has_truth=bool(collection.frame["is_trojaned"].notna().any()),
            comparison=comparison_rows(collection.frame),
            notes=comparison_notes(collection.frame),
            time_shares=_time_shares(collection.frame),
            sections=[_section(scan, index) for index, scan in enumerate(collection.scans)],
        )
    )
    replace_file(path, page.encode())


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


def _section(scan: ModelScan, index: int) -> ModelSection:
    injected = [trigger for trigger in scan.triggers if trigger.is_injected]
    natural = [trigger for trigger in scan.triggers if not trigger.is_injected]
    drawn, undrawn = natural[:DRAWN_NATURAL_CARDS], natural[DRAWN_NATURAL_CARDS:]
    return ModelSection(
        anchor=f"model-{index}",
        record=scan.record,
        injected=[trigger_card(trigger, scan.tensors) for trigger in injected],
        natural=[trigger_card(trigger, scan.tensors) for trigger in drawn]
        + [trigger_card(trigger, {}) for trigger in undrawn],
        look=[(name, _counted(value)) for name, value in scan.record.look.items()],
        num_undrawn=len(undrawn),
    )


def _counted(value: str | int) -> str:
    return f"{value:,}" if isinstance(value, int) else value


def _facts(collection: Collection) -> list[tuple[str, str]]:
    """Dataset, scanner and the like: each field's values over all records."""
    names = ("dataset", "scanner", "judge", "layer", "architecture", "seed", "run_id")
    values = {
        name: sorted({str(value) for value in collection.frame[name]} - {""}) for name in names
    }
    return [(name.replace("_", " "), ", ".join(words)) for name, words in values.items() if words]


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
