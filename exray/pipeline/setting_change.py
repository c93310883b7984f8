"""Settings that differ from those of a scan, as its three doors write them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from exray.models.classifier import Preprocessing

Value = str | int | tuple[float, ...] | None
_PLACES = {"class_order": "dataset", "batch_statistics": "dataset"}  # the others: preprocess


@dataclass(frozen=True, kw_only=True)
class SettingChange:
    """One setting with another value.

    Args:
        name: The setting.
        value: What it would be; numbers are one per channel, None is none.

    Example:
        >>> change = SettingChange(name="mean", value=(0.5, 0.4))
        >>> change.override, change.flag
        ('dataset.preprocess.mean=[0.5,0.4]', '--mean 0.5,0.4')
    """

    name: str
    value: Value

    @property
    def override(self) -> str:
        """As ``run.py`` takes it."""
        place = _PLACES.get(self.name, "dataset.preprocess")
        value = f"[{self._numbers}]" if isinstance(self.value, tuple) else self._plain
        return f"{place}.{self.name}={value}"

    @property
    def flag(self) -> str:
        """As ``exray scan`` takes it."""
        value = (self._numbers or "none") if isinstance(self.value, tuple) else self._plain
        return f"--{self.name.replace('_', '-')} {value}"

    @property
    def text(self) -> str:
        """As a person says it."""
        numbers = f"({self._numbers})" if self._numbers else "none"
        value = numbers if isinstance(self.value, tuple) else self._plain
        return f"{self.name} {value}"

    @property
    def _numbers(self) -> str:
        return ",".join(f"{v:g}" for v in self.value) if isinstance(self.value, tuple) else ""

    @property
    def _plain(self) -> str:
        return "null" if self.value is None else str(self.value)


def preprocessing_changes(old: Preprocessing, new: Preprocessing) -> tuple[SettingChange, ...]:
    """What has to be set for another preprocessing.

    Args:
        old: As it is set.
        new: As it would be.

    Example:
        >>> old = Preprocessing(mean=(0.5,))
        >>> [c.flag for c in preprocessing_changes(old, Preprocessing(channels="bgr"))]
        ['--mean none', '--channels bgr']
    """
    return tuple(
        SettingChange(name=field.name, value=getattr(new, field.name))
        for field in fields(Preprocessing)
        if getattr(old, field.name) != getattr(new, field.name)
    )


def advice(changes: Sequence[SettingChange], new: Preprocessing) -> str:
    """What to type, for each door of a scan.

    Args:
        changes: The settings, at least one.
        new: The preprocessing that they make.

    Example:
        >>> turned = Preprocessing(channels="bgr")
        >>> print(advice(preprocessing_changes(Preprocessing(), turned), turned))
        add --channels bgr (exray scan), dataset.preprocess.channels=bgr (run.py), \
preprocessing=Preprocessing(channels='bgr') (Python)
    """
    flags = " ".join(change.flag for change in changes)
    overrides = " ".join(change.override for change in changes)
    text = f"add {flags} (exray scan), {overrides} (run.py)"
    known = {field.name for field in fields(Preprocessing)}
    if not all(change.name in known for change in changes):
        return text
    default = Preprocessing()
    values = [
        f"{field.name}={getattr(new, field.name)!r}"
        for field in fields(Preprocessing)
        if getattr(new, field.name) != getattr(default, field.name)
    ]
    return f"{text}, preprocessing=Preprocessing({', '.join(values)}) (Python)"
