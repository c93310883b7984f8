"""The numbers of SRI-CLS's fit are searched once, and again where anything changed."""

import pytest

from exray.pipeline.feature_cache import FeatureCache
from exray.scanners.sri.sri_cls import SriCls


class Counting(SriCls):
    """Stands for the search, which takes minutes."""

    def __init__(self):
        self.searches = 0

    def log_anomaly(self, classifier, samples):
        del classifier, samples
        self.searches += 1
        return -0.1 * self.searches


@pytest.fixture
def ask(trojaned, colour_samples):
    scanner = Counting()

    def answer(root, *, seed=0, search="short"):
        cache = FeatureCache(root, search=search, seed=seed)
        return cache.log_anomaly(scanner, trojaned, colour_samples), scanner.searches

    return answer


def test_a_stored_number_is_not_searched_again(ask, tmp_path):
    folder = tmp_path / "a" / "b"
    assert ask(folder) == (-0.1, 1)
    assert ask(folder) == (-0.1, 1)
    assert ask(folder, seed=1) == (-0.2, 2)
    assert ask(folder, search="long") == (-0.1 * 3, 3)
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("content", [b"cut short", b"{}", b'{"log_anomaly": null}'])
def test_a_file_that_cannot_be_read_is_named_and_replaced(ask, tmp_path, caplog, content):
    ask(tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(content)
    assert ask(tmp_path) == (-0.2, 2)
    assert f"{path} cannot be read" in caplog.text
    assert ask(tmp_path) == (-0.2, 2)


def test_without_a_folder_nothing_is_stored(ask):
    assert ask(None) == (-0.1, 1)
    assert ask(None) == (-0.2, 2)
