"""An earlier scan of a small zoo."""

import shutil

import pytest


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results" / "run"


@pytest.fixture
def before(scanned, results):
    """The command of an earlier scan of two classifiers, whose records lie in ``results``."""
    ran, folder = scanned
    shutil.copytree(folder, results)
    return ran
