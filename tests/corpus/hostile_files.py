"""All files made to harm, and a table of what each is answered: docs/hostile-files.md.

Run: PYTHONPATH=. python tests/corpus/hostile_files.py
"""

import tempfile
from pathlib import Path

import hostile_hdf5
import hostile_hub
import hostile_onnx
import hostile_pickles

GROUPS = {
    "runs": hostile_pickles.RUNS,
    "exhausts": hostile_pickles.EXHAUSTS,
    "escapes": hostile_pickles.ESCAPES,
    "broken": hostile_pickles.BROKEN,
    "hdf5": hostile_hdf5.HDF5,
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
    "onnx": "ONNX",
    "hub": "Folders of a model hub",
}
TABLE = Path(__file__).parents[2] / "docs" / "hostile-files.md"


def answers(folder):
    """What each file is answered, without its path and the way out; ACCEPTED where it is read."""
    from exray.models.checkpoints.reader import read_checkpoint
    from exray.models.loading import load_network

    found = {}
    canary = folder / "canary"
    for case, make in CORPUS.items():
        path = folder / "model.pt"
        path.write_bytes(make(canary))
        found[case] = answer(read_checkpoint, path, canary)
    for number, (case, make) in enumerate(FOLDERS.items()):
        path = folder / str(number) / "model"
        path.mkdir(parents=True)
        make(path, canary)
        found[case] = answer(load_network, path, canary)
    return found


def answer(read, path, canary):
    """What one file or folder is answered."""
    from exray.errors import CheckpointError

    try:
        read(path)
        said = "ACCEPTED"
    except CheckpointError as error:
        said = str(error).removeprefix(f"{path} ").rpartition("; ")[0]
    return "RAN" if canary.exists() else said.replace(str(path.parent), "...")


def table(found):
    refused = sum(answer not in ("ACCEPTED", "RAN") for answer in found.values())
    lines = [
        "# Hostile files",
        "",
        f"{len(found)} files and folders that the tests make, and what exray answers: {refused} "
        "are refused, none runs anything.",
        "`PYTHONPATH=. python tests/corpus/hostile_files.py` makes this page.",
    ]
    for group, title in TITLES.items():
        lines += ["", f"## {title}", "", "| file | answer |", "|---|---|"]
        cases = FOLDERS if group == "hub" else GROUPS[group]
        lines += [f"| {case} | {shown(found[case])} |" for case in cases]
    return "\n".join(lines) + "\n"


def shown(answer):
    plain = answer.replace("`", "'").replace("|", "/")
    return f"`{plain}`"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        page = table(answers(Path(place)))
    TABLE.write_text(page)
    print(page, end="")
