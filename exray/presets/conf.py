"""Where the configuration's files lie: beside the package, or in it when installed as a wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def conf_folder() -> Path:
    """The folder of all configuration groups.

    A wheel carries it as ``exray/conf``; a checkout and an editable install have it beside
    ``exray``.
    """
    inside = _PACKAGE / "conf"
    return inside if inside.is_dir() else _PACKAGE.parent / "conf"


def option_names(group: str) -> list[str]:
    """The options of a group, by name.

    Args:
        group: Its folder below ``conf``, such as ``judge``.

    Example:
        >>> option_names("layer")
        ['last_conv', 'middle', 'second_last_conv']
    """
    return sorted(path.stem for path in (conf_folder() / group).glob("*.yaml"))
