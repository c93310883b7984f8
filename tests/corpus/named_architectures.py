"""How well a state dict's architecture is named: torchvision's and timm's, drawn at random.

Run: PYTHONPATH=. python tests/corpus/named_architectures.py
"""

import random

import torch

from exray.models.architectures.index import all_names
from exray.models.architectures.registry import skeleton
from exray.models.checkpoints.checkpoint import Checkpoint
from exray.models.inspection import likely_architectures

SEED = 15
NUM_DRAWN = 20
NUM_CLASSES = 7
LIBRARIES = ("torchvision", "timm")


def drawn(library, count=NUM_DRAWN):
    """Names of a library, without replacement."""
    names = [name for name in all_names() if name.startswith(f"{library}/")]
    return random.Random(SEED).sample(names, count)


def named(name):
    """Whether it is named first, a network of the same names and shapes is, or it is listed."""
    state = skeleton(name, num_classes=NUM_CLASSES).state_dict()
    likely = likely_architectures(Checkpoint(state=state))
    fitting = [one.name for one in likely if one.num_classes == NUM_CLASSES]
    return fitting[:1] == [name], bool(fitting), name in [one.name for one in likely]


def table():
    lines = [
        f"| library | drawn (seed {SEED}) | fits the first that is named | it is that one "
        "| it is among the five |",
        "|---|---|---|---|---|",
    ]
    missed = []
    for library in LIBRARIES:
        found = {name: named(name) for name in drawn(library)}
        first, fits, listed = (sum(one[place] for one in found.values()) for place in range(3))
        lines.append(f"| {library} | {len(found)} | {fits} | {first} | {listed} |")
        missed += [name for name, (_, fit, _) in found.items() if not fit]
    return "\n".join([*lines, "", f"Not named: {', '.join(missed) or 'none'}."])


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(table())
