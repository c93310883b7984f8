"""Files made to harm: none runs anything, each is answered in a line, quickly, in little memory."""

import contextlib
import re
import resource
import time
from pathlib import Path

import pytest
from hostile_files import CORPUS, FOLDERS, GROUPS

from exray.errors import CheckpointError
from exray.models.checkpoints.keras import hdf5
from exray.models.checkpoints.keras import hdf5_worker as hdf5_reader
from exray.models.checkpoints.onnx import file as onnx_file
from exray.models.checkpoints.onnx import worker as onnx_worker
from exray.models.checkpoints.reader import network_problem, read_checkpoint
from exray.models.loading import load_network

SECONDS = 5.0  # of the processor; a second on an idle machine, and tests check every argument
IMPORTING = 20.0  # seconds that the first folder takes for its library
MEGABYTES = 300
MOST_MEGABYTES = 2048  # of a process of its own, imports included
# Seconds each; the others are read in ours.
OWN_PROCESS = ("bytes changed", "an address beyond the end", "four terabytes")
TABLE = Path(__file__).parents[3] / "docs" / "hostile-files.md"


@pytest.fixture(autouse=True)
def inside(monkeypatch, request):
    """The readers of HDF5 and ONNX in this process, where nothing is changed that could end it."""
    if not any(case in request.node.name for case in OWN_PROCESS):
        read = lambda path: hdf5_reader.answered(str(path), path.stat().st_size)  # noqa: E731
        monkeypatch.setattr(hdf5, "_read", read)
        monkeypatch.setattr(onnx_file, "_rehearsed", onnx_worker.answered)


def test_the_corpus_is_of_different_files_and_the_manual_lists_them(tmp_path):
    payloads = {make(tmp_path / "canary") for make in CORPUS.values()}
    assert len(payloads) == len(CORPUS) >= 176
    rows = re.findall(r"^\| (?!file |---)(.+?) \| (`.+) \|$", TABLE.read_text(), re.MULTILINE)
    assert [row[0] for row in rows] == [*CORPUS, *FOLDERS]
    assert f"{len(CORPUS) + len(FOLDERS)} files" in TABLE.read_text()


def test_the_manual_says_what_the_files_took_and_no_kind_took_more_than_the_bars():
    form = r"^\| (.+) \| (\d+) \| ([\d.]+) \| [\d.]+ \| (\d+) \|$"
    rows = re.findall(form, TABLE.read_text(), re.MULTILINE)
    assert sum(int(count) for _, count, _, _ in rows) == len(CORPUS) + len(FOLDERS)
    for _, _, seconds, megabytes in rows:
        assert float(seconds) < 60
        assert int(megabytes) < MOST_MEGABYTES


@pytest.mark.parametrize("case", CORPUS)
def test_no_file_runs_escapes_or_exhausts_and_each_is_answered_in_a_line(tmp_path, case):
    folder = tmp_path / "inside"
    folder.mkdir()
    canary = tmp_path / "canary"
    path = folder / "model.pt"
    data = CORPUS[case](canary)
    path.write_bytes(data)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    seconds = time.process_time() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    said = str(caught.value)
    assert said.startswith(f"{path} ")
    assert "; " in said  # the way out
    assert said.isascii()
    assert said.isprintable()
    assert len(said) < 700
    assert seconds < SECONDS
    assert grown < MEGABYTES * 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert children.ru_maxrss < MOST_MEGABYTES * 1024
    assert {entry.name for entry in tmp_path.rglob("*")} == {"inside", "model.pt"}
    with contextlib.suppress(CheckpointError):
        network_problem(path)
    assert not canary.exists()


@pytest.mark.parametrize("case", FOLDERS)
def test_no_folder_runs_escapes_or_exhausts_and_each_is_answered_in_a_line(tmp_path, case):
    folder, canary = tmp_path / "inside" / "model", tmp_path / "canary"
    folder.mkdir(parents=True)
    FOLDERS[case](folder, canary)
    written = set(tmp_path.rglob("*"))
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(CheckpointError) as caught:
        load_network(folder)
    seconds = time.process_time() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < MEGABYTES * 1024
    said = str(caught.value)
    assert said.startswith(f"{folder}")
    assert "; " in said
    assert said.isascii()
    assert said.isprintable()
    assert len(said) < 900
    assert seconds < IMPORTING + SECONDS
    assert set(tmp_path.rglob("*")) == written


@pytest.mark.parametrize("case", [case for case in GROUPS["runs"] if "tar" not in case])
def test_the_files_that_would_run_code_are_called_that_or_no_checkpoint(tmp_path, case):
    path = tmp_path / "model.pt"
    path.write_bytes(GROUPS["runs"][case](tmp_path / "canary"))
    known = r"would run code when loaded \(|is not a checkpoint|zip file|holds a \S+LSTM, not a"
    with pytest.raises(CheckpointError, match=rf"{known}|in a way that torch.save never does"):
        read_checkpoint(path)
