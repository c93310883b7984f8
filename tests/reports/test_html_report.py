import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from exray.reports.html_report import DRAWN_NATURAL_CARDS, OPEN_CARDS, write_report
from exray.reports.pages import DRAWN_PER_PAGE
from exray.reports.trigger_cards import IMAGES
from exray.results.collection import collect
from exray.results.model_scan import ModelScan
from exray.results.store import ResultStore

EVIL = "<script>alert(1)</script>"  # as in conftest
VOID = {"meta", "img", "br"}


class Outline(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.links = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def report(store, expected=None):
    path = store.root / "report.html"
    write_report(collect(store, expected), path, "Signs", config=store.config())
    return path.read_text()


def rewritten(store, triggers, tensors):
    scan = store.read("id-0").record
    other = ResultStore(store.root.parent / "other")
    other.write(ModelScan(record=scan, triggers=tuple(triggers), tensors=tensors))
    return other


def test_a_class_name_that_is_a_script_is_escaped(store):
    page = report(store)
    assert EVIL not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "script" not in Outline(page).tags


def test_what_the_look_found_in_a_file_is_in_the_report_escaped(store):
    page = report(store)
    assert "file: &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<dt>bytes</dt><dd>12,345</dd>" in page


def test_a_title_that_is_a_script_is_escaped(store):
    write_report(collect(store), store.root / "report.html", EVIL)
    assert EVIL not in (store.root / "report.html").read_text()


def test_the_page_is_well_formed_and_asks_for_nothing_outside(store):
    page = report(store)
    outline = Outline(page)
    assert outline.open == []
    own = ("data:image/png;base64,", "#model-", "#glossary")
    assert all(link.startswith(own) for link in outline.links)
    assert not re.search(r"https?:|url\(|@import", page)
    assert "default-src 'none'" in page


def test_links_lead_to_the_models_sections(store):
    page = report(store)
    for target in re.findall(r'href="#([^"]+)"', page):
        assert f'id="{target}"' in page


def test_every_stored_image_and_mask_is_drawn(store):
    assert len(re.findall(r"<img ", report(store))) == 2 * (4 + 3)


def test_injected_triggers_come_first(store):
    page = report(store)
    assert page.index('class="card injected"') < page.index('class="card natural"')


def test_failures_warnings_and_gaps_are_shown(store):
    page = report(store, expected=["id-0", "id-1", "id-2"])
    for text in ("CheckpointError: boom", "<pre>Traceback", "Class 3 has no images.", "no record"):
        assert text in page
    assert "1 missing (id-2)" in page


def test_other_ways_to_read_the_images_are_listed_escaped(store):
    trials = [
        {"settings": "dataset.preprocess.channels=<b>", "accuracy": 1.0, "num_images": 18},
        {"settings": "", "accuracy": 0.5, "num_images": 18, "classes": "1,0"},
        {"settings": "", "accuracy": 0.25, "num_images": 18},
    ]
    other = ResultStore(store.root.parent / "other")
    other.write(ModelScan(record=replace(store.read("id-0").record, trials=trials)))
    other.claim("r1", {})
    page = report(other)
    assert "How else the images were read: 3 ways, the best of accuracy 1.00" in page
    rows = re.findall(r"<tr><td>([^<]*)</td>.*?>([\d.]+)</td>.*?>18</td></tr>", page)
    assert rows == [
        ("dataset.preprocess.channels=&lt;b&gt;", "1.00"),
        ("the classes numbered otherwise", "0.50"),
        ("as they were read", "0.25"),
    ]


def test_bars_stand_against_their_thresholds(store):
    page = report(store)
    assert 'left: 80.0%" title="beta = 0.8"' in page
    assert 'left: 80.0%" title="gamma = 0.8"' in page
    assert "M1: 4.0 of 20 channels" in page
    assert "M2 did not converge" in page


def test_the_configuration_of_the_run_is_shown(store):
    assert "scanner.steps" in report(store)


@pytest.mark.parametrize(
    "names",
    [(), ("victim_image",), ("mask_victim_target",), ("mask_victim_stamped", "target_image")],
)
def test_missing_tensors_do_not_break_a_card(store, make_tensors, names):
    tensors = {key: make_tensors(1)[key] for key in (f"trigger_1/{name}" for name in names)}
    page = report(rewritten(store, store.read("id-0").triggers, tensors))
    assert len(re.findall(r"<img ", page)) == len(names)
    assert page.count("<article") == 2


def test_tensors_that_are_no_pictures_are_not_drawn(store):
    tensors = {
        "trigger_1/victim_image": np.zeros((3, 8, 8), np.float32),
        "trigger_1/mask_victim_target": np.zeros((2, 8), np.float32),
    }
    assert "<img " not in report(rewritten(store, store.read("id-0").triggers, tensors))


def test_a_judge_without_measurements_gets_a_card(store, make_trigger):
    bare = make_trigger(0, is_injected=True)
    bare.measurements.clear()
    bare.thresholds.clear()
    page = report(rewritten(store, [bare], {}))
    assert 'class="card injected"' in page
    assert 'class="bars"' not in page


def test_many_natural_triggers_are_folded_and_the_last_go_without_images(
    store, make_trigger, make_tensors
):
    count = DRAWN_NATURAL_CARDS + 2
    triggers = [make_trigger(index, is_injected=False) for index in range(count)]
    tensors = {}
    for index in range(count):
        tensors |= make_tensors(index)
    page = report(rewritten(store, triggers, tensors))
    assert f"<summary>{count - OPEN_CARDS} more natural triggers</summary>" in page
    assert "The last 2 triggers are shown without images." in page
    assert page.count("<article") == count
    assert len(re.findall(r"<img ", page)) == 7 * DRAWN_NATURAL_CARDS


def test_a_page_of_noise_stays_below_20_mb_however_many_triggers_there_are(store, make_trigger):
    count = DRAWN_PER_PAGE + 5
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    tensors = {f"trigger_{index}/{name}": noise for index in range(count) for name, _ in IMAGES}
    triggers = [make_trigger(index, is_injected=True) for index in range(count)]
    page = report(rewritten(store, triggers, tensors))
    assert 10e6 < len(page) < 20e6
    assert "The last 5 triggers are shown without images." in page


def test_an_empty_store_gives_a_page(tmp_path):
    write_report(collect(ResultStore(tmp_path)), tmp_path / "report.html", "Nothing")
    page = (tmp_path / "report.html").read_text()
    assert "0 of 0 models recorded" in page
    assert "Ground truth is unknown" in page


def test_what_was_looked_for_is_listed_and_open_where_nothing_was_found(searched):
    path = searched.root / "id-0" / "record.json"
    for num_triggers, tag in ((2, '<details class="fold">'), (0, '<details class="fold" open>')):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"num_triggers": num_triggers}))
        page = report(searched)
        words = "What was looked for: 26 candidates in 2 searches, 0 found; strongest: patch -2.3"
        assert f"{tag}<summary>{words}" in page
        assert Outline(page).open == []
        for cell in (">10</td>", ">4321</td>", ">-2.3</td>", ">-</td>", "has no gradient"):
            assert cell in page
        assert EVIL not in page


def test_a_page_of_one_model_begins_with_its_answer(store):
    page = report(rewritten(store, store.read("id-0").triggers, {}))
    order = ["This model looks backdoored.", "Do not use this model.", "<h2>Evidence</h2>"]
    order += ["injected</span>", 'id="limits"', "2402.16926", 'id="glossary"']
    places = [page.index(text) for text in order]
    assert places == sorted(places)
    assert "models recorded" not in page
    assert "Against ground truth" not in page  # one model has no statistics


def test_the_most_suspicious_trigger_comes_first_and_injected_ones_are_never_folded(
    store, make_trigger
):
    triggers = [make_trigger(index, is_injected=index % 2 == 0) for index in range(20)]
    page = report(rewritten(store, triggers, {}))
    assert page.count('class="card injected"') == 10
    assert page.index('class="card natural"') > page.rindex('class="card injected"')
    assert "<summary>10 more natural triggers</summary>" in page


def test_a_failed_scan_has_no_probability_even_in_an_old_record(store):
    path = store.root / "id-1" / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"probability": 0.5}))
    section = report(store).partition("<h2>Evidence</h2>")[2].partition("<h3>id-1</h3>")[2]
    assert "probability <b>" not in section
    assert "There is no verdict and no probability." in section


def test_where_a_record_comes_from_is_in_the_header_and_in_full_below(store):
    path = store.root / "id-0" / "record.json"
    origin = {"date": "2026-01-31T12:00:00+00:00", "commit": "abc1234", "torch": "2.10.0"}
    origin |= {"images_per_class": {"stop": 4, EVIL: 0}, "model_sha256": "f" * 64}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"provenance": origin}))
    page = report(store)
    header = page.partition("</header>")[0]
    for text in ("2026-01-31", "abc1234", "2.10.0", "f" * 64):
        assert text in header
    assert "stop 4" in page
    assert "Where this record comes from" in page
    assert EVIL not in page


def test_scanners_of_one_search_list_none(store):
    assert "What was looked for" not in report(store)


def test_many_models_are_spread_over_pages(store, monkeypatch):
    whole = report(store)
    number = len(store.model_ids())
    monkeypatch.setattr("exray.reports.pages.MODELS_PER_PAGE", 1)
    first = report(store, [*store.model_ids(), "absent"])
    pages = [first] + [
        (store.root / f"report-{page}.html").read_text() for page in range(2, number + 1)
    ]
    sections = [page.count('<section class="panel model"') for page in pages]
    assert sections == [1] * number
    assert whole.count('<section class="panel model"') == number
    assert "<h2>Against ground truth</h2>" in first
    assert "<h2>Against ground truth</h2>" not in pages[1]
    assert "absent" in pages[-1]
    monkeypatch.undo()
    assert report(store) == whole
    assert not (store.root / "report-2.html").exists()
