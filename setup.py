"""Maps conf/ into the package; all else is in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["exray", "exray.*"]), "exray.conf"],
    package_dir={"exray.conf": "conf"},
)
