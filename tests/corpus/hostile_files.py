"""All files made to harm, and a table of what each is answered: docs/hostile-files.md.

Run: PYTHONPATH=. python tests/corpus/hostile_files.py
"""

import json
import os
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import hostile_hdf5
import hostile_hub
import hostile_keras_archives
import hostile_onnx
import hostile_pickles
import torch

GROUPS = {
    "runs": hostile_pickles.RUNS,
    "exhausts": hostile_pickles.EXHAUSTS,
    "escapes": hostile_pickles.ESCAPES,
    "broken": hostile_pickles.BROKEN,
    "hdf5": hostile_hdf5.HDF5,
    "keras": hostile_keras_archives.KERAS,
    "onnx": hostile_onnx.ONNX,
}
FOLDERS = hostile_hub.HUB
CORPUS = {case: make for group in GROUPS.values() for case, make in group.items()}
TITLES = {
    "runs": "Would run code",
    "exhausts": "Would take memory or time",
    "escapes": "Would leave the folder, or are read by two readers in two ways",
    "broken": "Merely broken",
    "hdf5": "HDF5",
    "keras": "Keras archives",
    "onnx": "ONNX",
    "hub": "Folders of a model hub",
}
TABLE = Path(__file__).parents[2] / "docs" / "hostile-files.md"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one file or folder was answered, and what that took."""

    answer: str
    cpu_seconds: float
    seconds: float
    megabytes: float


def readings(folder):
    """Of each file and folder, read in a process of its own."""
    from exray.models.checkpoints.reader import read_checkpoint
    from exray.models.loading import load_network

    found = {}
    canary = folder / "canary"
    for case, make in CORPUS.items():
        path = folder / "model.pt"
        path.write_bytes(make(canary))
        found[case] = reading(read_checkpoint, path, canary)
    for number, (case, make) in enumerate(FOLDERS.items()):
        path = folder / str(number) / "model"
        path.mkdir(parents=True)
        make(path, canary)
        found[case] = reading(load_network, path, canary)
    return found


def reading(read, path, canary):
    """One file or folder read in a fork, whose own and whose readers' use is measured."""
    results, child = os.pipe(), os.fork()
    if child:
        os.close(results[1])
        with os.fdopen(results[0]) as pipe:
            line = pipe.read()
        os.waitpid(child, 0)
        return Reading(**json.loads(line))
    start = time.monotonic()
    said = answer(read, path, canary)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    values = {
        "answer": said,
        "cpu_seconds": sum(one.ru_utime + one.ru_stime for one in used),
        "seconds": time.monotonic() - start,
        "megabytes": max(one.ru_maxrss for one in used) / 1024,
    }
    os.write(results[1], json.dumps(values).encode())
    os._exit(0)


def answer(read, path, canary):
    """What it is answered, without its path and the way out; ACCEPTED where it is read."""
    from exray.errors import CheckpointError

    try:
        read(path)
        said = "ACCEPTED"
    except CheckpointError as error:
        said = str(error).removeprefix(f"{path} ").rpartition("; ")[0]
    return "RAN" if canary.exists() else said.replace(str(path.parent), "...")


def table(found):
    refused = sum(one.answer not in ("ACCEPTED", "RAN") for one in found.values())
    lines = [
        "# Hostile files",
        "",
        f"{len(found)} files and folders that the tests make, and what exray answers: {refused} "
        "are refused, none runs anything.",
        "`PYTHONPATH=. python tests/corpus/hostile_files.py` makes this page.",
        "",
        f"Each was read in a process of its own, by a CPU of {os.cpu_count()} cores that others "
        "used, too. No more than this was used, the libraries' import included; the bars are 60 "
        "seconds and 2048 MiB:",
        "",
        "| kind | cases | processor, s | wall, s | memory, MiB |",
        "|---|---|---|---|---|",
        *(most(group, [found[case] for case in cases_of(group)]) for group in TITLES),
    ]
    for group, title in TITLES.items():
        lines += ["", f"## {title}", "", "| file | answer |", "|---|---|"]
        lines += [f"| {case} | {shown(found[case].answer)} |" for case in cases_of(group)]
    return "\n".join(lines) + "\n"


def cases_of(group):
    return FOLDERS if group == "hub" else GROUPS[group]


def most(group, rows):
    """A line of the largest measurements of a kind of file."""
    cpu, wall, memory = (
        max(getattr(row, name) for row in rows) for name in ("cpu_seconds", "seconds", "megabytes")
    )
    return f"| {TITLES[group]} | {len(rows)} | {cpu:.1f} | {wall:.1f} | {memory:.0f} |"


def shown(answer):
    plain = answer.replace("`", "'").replace("|", "/")
    return f"`{plain}`"


if __name__ == "__main__":
    torch.set_num_threads(1)  # a fork has none of its parent's
    with tempfile.TemporaryDirectory() as place:
        page = table(readings(Path(place)))
    TABLE.write_text(page)
    print(page, end="")
