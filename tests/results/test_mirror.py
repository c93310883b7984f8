"""Machines without a common folder share a run through an object store, a local S3 server here."""

import time
from unittest.mock import Mock

import numpy as np
import pytest
from s3_server import forget, s3_server, use_server

from exray.errors import RecordError
from exray.results.mirror import CLAIMS, RunMirror
from exray.results.model_scan import ModelScan
from exray.results.records import ScanRecord
from exray.results.store import RECORD_FILES, ResultStore
from exray.rules.verdict import Verdict
from exray.storage.remote_files import UnreachableError
from exray.storage.remote_folder import RemoteFolder

pytestmark = pytest.mark.filterwarnings("ignore")  # of the server's and boto's own


@pytest.fixture(scope="module")
def server():
    with s3_server() as address:
        yield address


@pytest.fixture
def url(server, monkeypatch, tmp_path):
    bucket = tmp_path.name.replace("_", "-").lower()
    use_server(monkeypatch, server).create_bucket(Bucket=bucket)
    yield f"s3://{bucket}/results/run"
    forget()


@pytest.fixture
def machine(url, tmp_path):
    """Makes the store of a machine of that name, which shares nothing but the URL."""

    def made(name):
        mirror = RunMirror(
            RemoteFolder(url), files=RECORD_FILES, renew_seconds=0.1, dead_seconds=1.0
        )
        return ResultStore(tmp_path / name, mirror=mirror)

    return made


def scan(model_id, *, status="done", probability=0.5):
    verdict = Verdict.CLEAN if status == "done" else Verdict.FAILED
    record = ScanRecord(
        model_id=model_id, run_id="r", status=status, verdict=verdict, probability=probability
    )
    return ModelScan(record=record, tensors={"x": np.arange(3, dtype=np.float32)})


def test_what_one_machine_has_finished_another_goes_on_from(machine):
    first, second = machine("first"), machine("second")
    first.claim("r", {"seed": 0})
    first.write(scan("m1"))
    second.claim("r", {"seed": 0})
    assert second.model_ids() == ["m1"]
    assert second.find("m1", "r") is not None
    np.testing.assert_array_equal(second.tensors("m1")["x"], [0, 1, 2])


def test_another_configuration_or_version_is_refused(machine, monkeypatch):
    machine("first").claim("r", {"seed": 0})
    with pytest.raises(RecordError, match="seed: 0 there, 1 now"):
        machine("second").claim("s", {"seed": 1})
    monkeypatch.setattr("exray.results.store.own_version", lambda: "9.9")
    with pytest.raises(RecordError, match=r"was begun by exray .*, and this is exray 9\.9"):
        machine("third").claim("r", {"seed": 0})


def test_a_model_that_another_machine_is_at_is_put_off_and_then_waited_for(machine):
    first, second = machine("first"), machine("second")
    for store in (first, second):
        store.claim("r", {})
    with first.at_work("m1", wait=False) as is_first:
        with second.at_work("m1", wait=False) as is_second:
            assert (is_first, is_second) == (True, False)
        time.sleep(1.5)  # longer than a dead worker's claim lasts: it is renewed
        with second.at_work("m1", wait=False) as is_second:
            assert not is_second
        first.write(scan("m1", probability=0.25))
    with second.at_work("m1", wait=True) as is_second:
        assert is_second
        found = second.find("m1", "r")
    assert found is not None
    assert found.probability == 0.25


@pytest.mark.parametrize("hours", [-7, 7])
def test_the_claim_of_a_worker_whose_clock_disagrees_is_kept(machine, monkeypatch, hours):
    first, second = machine("first"), machine("second")
    for store in (first, second):
        store.claim("r", {})
    true_time = time.time
    with first.at_work("m1", wait=False) as is_first, monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: true_time() + 3600 * hours)
        with second.at_work("m1", wait=False) as is_second:
            assert (is_first, is_second) == (True, False)


def test_the_claim_of_a_dead_worker_is_dropped(machine, url):
    store = machine("first")
    store.claim("r", {})
    RemoteFolder(url).write(f"{CLAIMS}/m1", b"a dead worker")
    with store.at_work("m1", wait=False) as is_ours:
        assert not is_ours
    waited = []
    with store.at_work("m1", wait=True, waiting=lambda: waited.append(1)) as is_ours:
        assert is_ours
    assert waited
    assert not [name for name in RemoteFolder(url).names() if name.startswith(CLAIMS)]


def test_of_two_records_of_a_model_the_first_is_kept_everywhere(machine):
    first, second, third = machine("first"), machine("second"), machine("third")
    for store in (first, second):
        store.claim("r", {})
    first.write(scan("m1", probability=0.1))
    second.write(scan("m1", probability=0.9))
    third.claim("r", {})
    stored = [store.read("m1").record.probability for store in (first, second, third)]
    assert stored == [0.1, 0.1, 0.1]


def test_a_failed_record_is_replaced(machine):
    first, second = machine("first"), machine("second")
    first.claim("r", {})
    first.write(scan("m1", status="failed"))
    first.write(scan("m1"))
    second.claim("r", {})
    assert second.read("m1").record.status == "done"


def test_after_a_lost_connection_the_same_command_goes_on(machine, url, monkeypatch):
    store = machine("first")
    store.claim("r", {})
    monkeypatch.setattr("exray.storage.remote_files.PAUSES", (0.0, 0.0))
    with monkeypatch.context() as patch:
        unreachable = Mock(side_effect=ConnectionError("reset"))
        patch.setattr(store.mirror.folder._files, "pipe_file", unreachable)
        with pytest.raises(UnreachableError, match=r"m1\.zip cannot be written .*: reset;"):
            store.write(scan("m1"))
    assert RemoteFolder(url).names() == ["run.json"]  # no half object
    again = machine("first")
    again.claim("r", {})
    assert RemoteFolder(url).names() == ["m1.zip", "run.json"]


def test_an_object_that_is_no_record_is_named(machine, url):
    RemoteFolder(url).write("m1.zip", b"half")
    with pytest.raises(RecordError, match=r"s3://.*/m1\.zip is broken .*; remove that object"):
        machine("first").claim("r", {})
