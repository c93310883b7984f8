"""Draws the manual's pictures and its example report from a scan of an embedded model.

    python run.py shard=1/8 name=example
    python run.py task=report name=example
    python docs/pictures.py results/example

The first line scans `id-00000001`, which is trojaned, with the default scanner and judge; the
second writes its report without the seven models that were not scanned. Pictures are taken of that
report by a headless Chromium, at a fixed width, into `docs/images`.
"""

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image, ImageChops

from exray.reports.answer import answer_of, ordered_triggers
from exray.reports.html_report import page_environment
from exray.reports.trigger_cards import trigger_card
from exray.results.model_scan import ModelScan
from exray.results.store import ResultStore

FOLDER = Path(__file__).parent
MOST_BYTES = 400_000  # of the example report
WIDTH, HEIGHT = 1000, 2200
CARD = """<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light">
<style>{% include "style.css.j2" %} body { background: #fff; } main { padding: 12px; }</style>
<main>{% from "cards.html.j2" import trigger %}{{ trigger(card) }}</main>"""
HEAD = """<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light">
<style>{% include "style.css.j2" %} body { background: #fff; } main { padding: 12px; }</style>
<main><h1>{{ title }}</h1>{% from "answer.html.j2" import answer %}{{ answer(section) }}</main>"""


def main() -> None:
    """Writes ``docs/images`` and ``docs/example-report.html`` of a run's folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="results/NAME of the scan")
    parser.add_argument("--browser", default="chromium")
    words = parser.parse_args()
    store = ResultStore(words.run)
    (model_id,) = store.model_ids()
    scan = store.read(model_id)
    (FOLDER / "images").mkdir(exist_ok=True)
    pages = {"answer": answer_page(scan)}
    triggers = ordered_triggers(scan.triggers)
    for name, trigger in (("card-injected", triggers[0]), ("card-natural", triggers[-1])):
        card = trigger_card(trigger, scan.tensors)
        pages[name] = page_environment().from_string(CARD).render(card=card)
    for name, page in pages.items():
        photograph(page, FOLDER / "images" / f"{name}.png", words.browser)
    report = words.run / "report.html"
    if report.stat().st_size > MOST_BYTES:
        raise SystemExit(f"{report} has more than {MOST_BYTES} bytes")
    shutil.copy(report, FOLDER / "example-report.html")


def answer_page(scan: ModelScan) -> str:
    """The first lines of a report, which is the scan's answer."""
    template = page_environment().from_string(HEAD)
    title = f"exray: {scan.record.model_id}"
    return template.render(title=title, section={"answer": answer_of(scan)})


def photograph(page: str, picture: Path, browser: str) -> None:
    """A page as a picture, without its white border, in few colours."""
    with tempfile.TemporaryDirectory() as folder:
        file, shot = Path(folder) / "page.html", Path(folder) / "shot.png"
        file.write_text(page, encoding="utf-8")
        words = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        words += [f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={shot}", file.as_uri()]
        subprocess.run(words, check=True, capture_output=True, timeout=300)
        image = Image.open(shot).convert("RGB")
    white = Image.new("RGB", image.size, (255, 255, 255))
    box = ImageChops.difference(image, white).getbbox()
    image.crop(box).quantize(128).save(picture, optimize=True)


if __name__ == "__main__":
    main()
