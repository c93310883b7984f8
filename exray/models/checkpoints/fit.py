"""Whether a file's weights are a network's, by names and shapes, without reading a number."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from exray.models.checkpoints.folding import Folded, folded_shape, foldings
from exray.models.checkpoints.state_dict import shared_prefix
from exray.text import some

Shape = Sequence[int]
_AUXILIARY = re.compile(
    r"(.*\.)?aux(\w*)\.|(.*\.)?AuxLogits\.|(.*\.)?auxiliary\w*\.", re.IGNORECASE
)
_SEVERAL = "fitting under several prefixes"
_EMA = re.compile(r"(^|[._])(ema|swa)([._]|$)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How a file's weights go into a network, and what is wrong if they do not.

    Args:
        names: For each of the network's names, the file's; names of weights kept in parts are
            those of :attr:`folded`.
        folded: Weights to put together, by name.
        prefix: Taken off the file's names.
        ignored: The file's names that are no part of the network.
        absent: The network's names that the file need not have.
        problems: Names at which they differ, by kind of trouble; empty where they fit.
    """

    names: Mapping[str, str]
    folded: Mapping[str, Folded] = field(default_factory=dict)
    prefix: str = ""
    ignored: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    problems: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def fits(self) -> bool:
        """Whether every weight of the network is in the file, of its shape."""
        return not any(self.problems.values())

    @property
    def is_ambiguous(self) -> bool:
        """Whether several prefixes make the names fit."""
        return _SEVERAL in self.problems

    def apply(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The file's weights under the network's names; what is ignored is left out.

        Args:
            state: The file's weights, all of those that were fitted.
        """
        return {
            own: self.folded[name].combine(*(state[part] for part in self.folded[name].sources))
            if name in self.folded
            else state[name]
            for own, name in self.names.items()
        }

    def remarks(self) -> tuple[str, ...]:
        """What a user should know about it, one sentence each."""
        found = []
        kinds = dict.fromkeys(folded.kind for folded in self.folded.values())
        if kinds:
            found.append(f"{' and '.join(kinds)} weights were put together")
        usual = not self.prefix.replace("module.", "").replace("_orig_mod.", "")
        if not usual:
            found.append(f"the prefix {self.prefix!r} was taken off the weights' names")
        if self.ignored:
            found.append(
                f"weights that the network does not have were ignored: {some(self.ignored)}"
            )
        if self.absent:
            found.append(f"auxiliary weights are not in the file: {some(self.absent)}")
        return tuple(found)


def fit(own: Mapping[str, Shape], stored: Mapping[str, Shape], *, shapes: bool = True) -> Fit:
    """How a file's weights go into a network: as they are, without a prefix, put together.

    Prefixes are taken off, and parts are put together, only where that makes every name and shape
    fit, and only if one prefix does; of two the one that says that it is an average gives way.
    Names outside the prefix, and whole branches that the network has not, are ignored.

    Args:
        own: Sides of the network's weights by name.
        stored: Sides of the file's.
        shapes: Whether shapes count; otherwise names alone do.

    Returns:
        The fit, or the trouble with the weights as they are.

    Example:
        >>> fit({"bias": (2,)}, {"net.bias": (2,), "criterion.weight": (3,)}).names
        {'bias': 'net.bias'}
    """
    plain = _plain(own, stored, shapes=shapes)
    if plain.fits:
        return plain
    folded = foldings(stored)
    parts = {source for one in folded.values() for source in one.sources}
    with_folded = {name: sides for name, sides in stored.items() if name not in parts}
    with_folded |= {name: folded_shape(one, stored) for name, one in folded.items()}
    forms: list[tuple[Mapping[str, Shape], Mapping[str, Folded]]] = [(stored, {})]
    forms += [(with_folded, folded)] if folded else []
    for names, made in forms:
        found = [
            Fit(
                names=one.names,
                folded={name: made[name] for name in one.names.values() if name in made},
                prefix=one.prefix,
                ignored=one.ignored,
                absent=one.absent,
            )
            for one in _by_prefix(own, names, shapes=shapes)
        ]
        averages = [one for one in found if _EMA.search(one.prefix)]
        found = [one for one in found if one not in averages] or averages
        if len(found) == 1:
            return found[0]
        if found:
            prefixes = [one.prefix or "none" for one in found]
            return Fit(names={}, problems={_SEVERAL: prefixes})
    return plain


def _plain(own: Mapping[str, Shape], stored: Mapping[str, Shape], *, shapes: bool) -> Fit:
    """With wrappers' prefixes alone, and no name left over."""
    inside, outside = shared_prefix(list(own)), shared_prefix(list(stored))
    return _fit(own, stored, inside, outside, shapes=shapes, may_ignore=False)


def _by_prefix(own: Mapping[str, Shape], stored: Mapping[str, Shape], *, shapes: bool) -> list[Fit]:
    """All fits with some prefix of the file's names, and perhaps of the network's, taken off."""
    found: dict[str, Fit] = {}
    for inside in dict.fromkeys(("", shared_prefix(list(own)), _common_first(own))):
        anchor = max((name.removeprefix(inside) for name in own), key=len, default="")
        ends = [name for name in stored if name == anchor or name.endswith(f".{anchor}")]
        for outside in dict.fromkeys(name.removesuffix(anchor) for name in ends):
            one = _fit(own, stored, inside, outside, shapes=shapes, may_ignore=True)
            if one.fits and anchor:
                found.setdefault(outside, one)
    return list(found.values())


def _common_first(own: Mapping[str, Shape]) -> str:
    """The first part of the network's names, where it is one for all."""
    firsts = {name.partition(".")[0] for name in own}
    return f"{firsts.pop()}." if len(firsts) == 1 and all("." in name for name in own) else ""


def _fit(
    own: Mapping[str, Shape],
    stored: Mapping[str, Shape],
    inside: str,
    outside: str,
    *,
    shapes: bool,
    may_ignore: bool,
) -> Fit:
    there = {inside + name.removeprefix(outside): name
             for name in stored if name.startswith(outside)}  # fmt: skip
    missing = [name for name in own if name not in there and not _is_batch_count(name)]
    absent = tuple(name for name in missing if may_ignore and _AUXILIARY.match(name))
    left = [name for name in there if name not in own and not _is_batch_count(name)]
    branches = {name.removeprefix(inside).partition(".")[0] for name in own}
    foreign = [name for name in left if may_ignore
               and name.removeprefix(inside).partition(".")[0] not in branches]  # fmt: skip
    outer = [name for name in stored if not name.startswith(outside)]
    return Fit(
        names={name: there[name] for name in own if name in there},
        prefix=outside,
        ignored=(*outer, *(there[name] for name in foreign)),
        absent=absent,
        problems={
            "missing": [name for name in missing if name not in absent],
            "unexpected": [name for name in left if name not in foreign],
            "of another shape": [
                f"{name} ({_sides(stored[there[name]])} in the file, {_sides(own[name])} in the "
                "network)"
                for name in own
                if shapes and name in there and not _alike(stored[there[name]], own[name])
            ],
        },
    )


def _alike(one: Shape, other: Shape) -> bool:
    """Whether shapes are equal, or both of a single number."""
    both_single = all(side == 1 for side in (*one, *other))
    return tuple(one) == tuple(other) or both_single


def _is_batch_count(name: str) -> bool:
    return name.rpartition(".")[2] == "num_batches_tracked"


def _sides(shape: Shape) -> str:
    return " x ".join(str(side) for side in shape) or "one number"
