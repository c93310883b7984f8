"""Judges side by side on one page: who is wrong, what is missing, and nothing from elsewhere."""

import math
import re

import pytest

from exray.reports.dashboard import write_dashboard
from exray.results.collection import collect
from exray.results.model_scan import ModelScan
from exray.results.records import ScanRecord
from exray.results.store import ResultStore
from exray.rules.verdict import Verdict

TRUTHS = {"m0": True, "m1": False, "m2": False}


@pytest.fixture
def sweep(tmp_path, make_trigger, make_tensors):
    """Two judges on three models; the second flags all of them and has no record of the last."""

    def judged(name, flagged, truths=TRUTHS):
        store = ResultStore(tmp_path / f"judge={name}")
        store.claim(name, {})
        for model_id, is_flagged in flagged.items():
            record = ScanRecord(
                model_id=model_id,
                run_id=name,
                status="done",
                verdict=Verdict.TROJANED if is_flagged else Verdict.NATURAL_ONLY,
                probability=0.9 if is_flagged else 0.2,
                scanner_flags=True,
                num_triggers=1,
                judge=name,
                is_trojaned=truths[model_id],
            )
            trigger = make_trigger(0, is_injected=is_flagged, victim_name="<script>evil()</script>")
            store.write(ModelScan(record=record, triggers=(trigger,), tensors=make_tensors(0)))
        return store

    return judged


@pytest.fixture
def stores(sweep):
    first = {"m0": True, "m1": False, "m2": False}
    return {"exray": sweep("exray", first), "none": sweep("none", {"m0": True, "m1": True})}


def page_of(stores, tmp_path):
    path = tmp_path / "dashboard.html"
    collections = {name: collect(store) for name, store in stores.items()}
    reports = {name: store.root / "report.html" for name, store in stores.items()}
    write_dashboard(collections, path, "a <sweep>", reference="exray", reports=reports)
    return path.read_text()


def test_a_page_needs_nothing_else_and_obeys_no_stranger(stores, tmp_path):
    page = page_of(stores, tmp_path)
    assert "<script" not in page
    assert "&lt;script&gt;evil()" in page
    assert "a &lt;sweep&gt;" in page
    assert not re.search(r"""(src|href)=["'](https?:)?//""", page)
    assert "default-src 'none'" in page


def test_each_judge_has_a_row_a_curve_and_its_own_report(stores, tmp_path):
    (tmp_path / "judge=exray" / "report.html").write_text("")
    page = page_of(stores, tmp_path)
    rows = re.findall(r'<tr class="(j\d|) *(main|base|)">(.*?)</tr>', page, re.DOTALL)
    words = [re.sub(r"<[^>]*>|\s+", " ", row).split() for _, _, row in rows]
    assert [cells[:5] for cells in words[:2]] == [
        ["exray", "1", "0", "2", "0"],
        ["none", "1", "1", "0", "0"],
    ]
    assert [row[1] for row in rows] == ["main", "", "base", "base"]
    assert "100 %" in rows[0][2]  # of the scanner's false positives
    assert 'href="judge=exray/report.html"' in rows[0][2]
    assert "href" not in rows[1][2]
    assert page.count('<path class="curve') == 2
    assert 'd="M0.00 100.00 L0.00 0.00 L100.00 0.00"' in page


def test_what_is_wrong_disputed_or_missing_can_be_told(stores, tmp_path):
    page = page_of(stores, tmp_path)
    classes = dict(re.findall(r'class="filtered ([^"]*)"><td><a href="[^"]*">(m\d)', page))
    classes = {model_id: set(words.split()) for words, model_id in classes.items()}
    assert classes == {
        "m0": {"is-trojaned"},
        "m1": {"is-clean", "disputed"},
        "m2": {"is-clean", "broken"},
    }
    cells = re.findall(r'<span class="cell (\S+?)( wrong)?" style="[^"]*" title="(\w+):', page)
    assert ("trojaned", " wrong", "none") in cells
    assert ("missing", "", "none") in cells
    assert "none: 2 of 2 models recorded, none failed." in page
    assert page.count('id="model-') == 3
    assert page.count("data:image/png") == 3 * 7


def test_a_failed_model_is_named_with_its_error_and_counted_for_no_judge(stores, tmp_path):
    failed = ScanRecord(
        model_id="m3",
        run_id="exray",
        status="failed",
        verdict=Verdict.FAILED,
        probability=math.nan,
        judge="exray",
        error="Traceback\n  boom",
        error_line="CheckpointError: boom",
    )
    stores["exray"].write(ModelScan(record=failed))
    page = page_of(stores, tmp_path)
    assert "exray: 4 of 4 models recorded, 1 failed (m3)." in page
    assert re.search(r'class="filtered is-unknown[^"]* broken"><td><a href="[^"]*">m3', page)
    assert re.search(
        r'<span class="cell failed"[^>]*title="exray: [^"]*CheckpointError: boom', page
    )
    row = re.search(r'<tr class="(?:j\d|) *main">(.*?)</tr>', page, re.DOTALL)[1]
    assert re.sub(r"<[^>]*>|\s+", " ", row).split()[:5] == ["exray", "1", "0", "2", "0"]


def test_without_ground_truth_nothing_is_counted(sweep, tmp_path):
    page = page_of({"exray": sweep("exray", {"m0": True}, {"m0": None})}, tmp_path)
    assert "Ground truth is unknown, so no accuracy is given." in page
    assert "<svg" not in page


def test_a_reference_that_is_no_judge_is_refused(stores, tmp_path):
    collections = {name: collect(store) for name, store in stores.items()}
    with pytest.raises(ValueError, match="reference must be one of exray, none; got 'l2'"):
        write_dashboard(collections, tmp_path / "page.html", "", reference="l2")


def test_many_models_are_spread_over_pages_that_lead_to_each_other(sweep, tmp_path, monkeypatch):
    monkeypatch.setattr("exray.reports.pages.MODELS_PER_PAGE", 2)
    truths = {f"m{index}": index % 2 == 0 for index in range(5)}
    store = sweep("exray", truths, truths)
    first = page_of({"exray": store}, tmp_path)
    pages = [first] + [(tmp_path / f"dashboard-{n}.html").read_text() for n in (2, 3)]
    assert [page.count('<details class="panel model') for page in pages] == [2, 2, 1]
    assert all(f"page {n} of 3" in page for n, page in enumerate(pages, start=1))
    assert 'href="dashboard-3.html">m3 to m3</a>' in first  # trojaned ones come first
    assert "<h2>Judges</h2>" in first
    assert "<h2>Judges</h2>" not in pages[1]
    assert not (tmp_path / "dashboard-4.html").exists()
