"""The HDF5 reader in the tests' own process, except where its process is what is tested."""

import pytest

from exray.models.checkpoints.keras import hdf5, hdf5_worker


@pytest.fixture(autouse=True)
def inside(monkeypatch, request):
    """The reader in this process, a second less a test; its own is tried by the hostile files."""
    if "own_process" not in request.fixturenames:
        read = lambda path: hdf5_worker.answered(str(path), path.stat().st_size)  # noqa: E731
        monkeypatch.setattr(hdf5, "_read", read)


@pytest.fixture
def own_process():
    """The reader as it is."""
