"""Which synthetic traffic signs there are: shapes, colours and symbols, in look-alike families."""

from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]
Points = tuple[tuple[float, float], ...]


def _regular(sides: int, phase: float) -> Points:
    angles = phase + 2 * np.pi * np.arange(sides) / sides
    return tuple((float(np.cos(a)), float(np.sin(a))) for a in angles)


def _box(left: float, top: float, right: float, bottom: float) -> Points:
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    return tuple((float(x), float(y)) for x, y in corners)


# Outlines in the square [-1, 1], y downward.
SHAPES: dict[str, Points] = {
    "circle": _regular(40, 0.0),
    "triangle": _regular(3, -np.pi / 2),
    "yield": _regular(3, np.pi / 2),
    "diamond": _regular(4, 0.0),
    "square": _box(-0.85, -0.85, 0.85, 0.85),
    "pentagon": _regular(5, -np.pi / 2),
    "octagon": _regular(8, np.pi / 8),
}
# How far from its centre each outline is fully inside, as a share of its half width.
INNER_RADIUS: dict[str, float] = {
    "circle": 0.98,
    "triangle": 0.55,
    "yield": 0.55,
    "diamond": 0.7,
    "square": 0.85,
    "pentagon": 0.8,
    "octagon": 0.92,
}
# Symbols in the square [-1, 1]: the polygons that are filled.
SYMBOLS: dict[str, tuple[Points, ...]] = {
    "bar": (_box(-1.0, -0.3, 1.0, 0.3),),
    "pole": (_box(-0.3, -1.0, 0.3, 1.0),),
    "plus": (_box(-1.0, -0.27, 1.0, 0.27), _box(-0.27, -1.0, 0.27, 1.0)),
    "dot": (tuple((0.7 * x, 0.7 * y) for x, y in _regular(24, 0.0)),),
    "block": (_box(-0.75, -0.75, 0.75, 0.75),),
    "up": (((0.0, -1.0), (1.0, 0.8), (-1.0, 0.8)),),
    "down": (((0.0, 1.0), (-1.0, -0.8), (1.0, -0.8)),),
    "tee": (_box(-1.0, -1.0, 1.0, -0.45), _box(-0.27, -0.45, 0.27, 1.0)),
    "ell": (_box(-0.9, -1.0, -0.35, 1.0), _box(-0.35, 0.45, 0.9, 1.0)),
    "rails": (_box(-0.9, -1.0, -0.4, 1.0), _box(0.4, -1.0, 0.9, 1.0)),
    "steps": (_box(-1.0, -0.9, 1.0, -0.4), _box(-1.0, 0.4, 1.0, 0.9)),
    "slash": (((0.5, -1.0), (1.0, -0.6), (-0.5, 1.0), (-1.0, 0.6)),),
}
COLOURS: dict[str, Colour] = {
    "red": (190, 30, 40),
    "blue": (30, 70, 170),
    "yellow": (230, 190, 40),
    "white": (235, 235, 230),
    "green": (30, 120, 70),
    "orange": (225, 120, 30),
    "brown": (110, 70, 40),
}
# Border and symbol colour that read well on each fill.
_CONTRAST: dict[str, tuple[str, ...]] = {
    "red": ("white", "yellow"),
    "blue": ("white", "yellow"),
    "yellow": ("red", "blue"),
    "white": ("red", "blue", "green"),
    "green": ("white", "yellow"),
    "orange": ("blue", "white"),
    "brown": ("white", "yellow"),
}


@dataclass(frozen=True, kw_only=True)
class SignClass:
    """One class of signs: an outline, two colours and a small symbol."""

    shape: str
    fill: str
    accent: str
    symbol: str

    @property
    def name(self) -> str:
        """What reports call the class, say ``white circle bar``."""
        return f"{self.fill} {self.shape} {self.symbol}"


def least_family_size(num_classes: int) -> int:
    """Size of the look-alike families where there are as many families as outlines.

    Example:
        >>> least_family_size(8)
        2
    """
    return -(-num_classes // len(SHAPES))


def sign_classes(num_classes: int, *, family_size: int, seed: int) -> tuple[SignClass, ...]:
    """Draws the classes of one classifier, in families that differ in nothing but the symbol.

    The families are what makes natural triggers: turning one small symbol into another is enough
    to change the class.

    Args:
        num_classes: How many classes, at least 2.
        family_size: Classes that share outline and colours; the last family may be smaller.
        seed: Decides outlines, colours and symbols.

    Raises:
        ValueError: If there are not as many outlines and symbols as asked for.

    Example:
        >>> [sign.name for sign in sign_classes(3, family_size=2, seed=0)]
        ['white octagon ell', 'white octagon tee', 'green square ell']
    """
    num_families = -(-num_classes // family_size) if family_size > 0 else 0
    if num_classes < 2 or not 1 <= num_families <= len(SHAPES) or family_size > len(SYMBOLS):
        raise ValueError(
            f"num_classes must be >= 2, in 1 to {len(SHAPES)} families of at most {len(SYMBOLS)}; "
            f"got {num_classes} classes in families of {family_size}"
        )
    random = np.random.default_rng(seed)
    shapes = random.permutation(sorted(SHAPES))[:num_families]
    fills = random.permutation(sorted(COLOURS))[:num_families]
    classes: list[SignClass] = []
    for shape, fill in zip(shapes, fills, strict=True):
        accent = str(random.choice(_CONTRAST[str(fill)]))
        symbols = random.permutation(sorted(SYMBOLS))[:family_size]
        classes += [
            SignClass(shape=str(shape), fill=str(fill), accent=accent, symbol=str(symbol))
            for symbol in symbols
        ]
    return tuple(classes[:num_classes])
