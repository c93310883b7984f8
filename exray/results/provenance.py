"""Where a record comes from: code, machine, file, images and calibration."""

from dataclasses import dataclass, field, fields

Plain = str | int | float


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """What somebody needs to repeat a scan, and to say which file was scanned.

    Everything is empty in records that were written before there was a provenance.

    Args:
        date: When the scan ended, in UTC, as ``2026-01-31T12:00:00+00:00``.
        exray: Version of exray.
        commit: Commit of its checkout, with ``-dirty`` where files were changed; empty for an
            installed package.
        torch: Version of torch.
        python: Version of Python.
        command: The command line; empty for a scan from Python.
        machine: System, processor, its usable cores.
        device: Where the classifier ran.
        model_sha256: SHA-256 of the model's file, or of its folder's files by name.
        images_sha256: SHA-256 of the pixels and labels of the images that were used.
        images_per_class: Images that were used, by class name.
        preprocessing: What happens to an image in [0, 1] before the network sees it.
        calibration: What the judge's probability rests on, as
            :func:`exray.rules.calibration_facts.calibration_facts` gives it; empty where the
            probability is a rank.
    """

    date: str = ""
    exray: str = ""
    commit: str = ""
    torch: str = ""
    python: str = ""
    command: str = ""
    machine: str = ""
    device: str = ""
    model_sha256: str = ""
    images_sha256: str = ""
    images_per_class: dict[str, int] = field(default_factory=dict)
    preprocessing: dict[str, Plain] = field(default_factory=dict)
    calibration: dict[str, Plain] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> "Provenance":
        """The provenance of a stored record.

        Raises:
            ValueError: If it has an unknown field.
        """
        names = {spec.name for spec in fields(cls)}
        unknown = sorted(set(values) - names)
        if unknown:
            raise ValueError(f"Provenance has no field {unknown[0]!r}; it has: {sorted(names)}")
        return cls(**values)  # type: ignore[arg-type]  # as to_json wrote it
