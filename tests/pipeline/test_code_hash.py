"""The hash covers every module that scanners compute with, and nothing but their code."""

from pathlib import Path

import pytest

import exray.optim
import exray.seeding
from exray.pipeline.code_hash import code_hash, hash_of, imported_modules


@pytest.fixture
def package(tmp_path):
    root = tmp_path / "exray"
    files = {
        "scanners/loop.py": "from exray.adam import step\n",
        "adam.py": "from exray import rows\n\n\ndef step():\n    import exray.deep.late\n",
        "rows.py": "SIZE = 3\n",
        "deep/__init__.py": "",
        "deep/late.py": "import os\n",
        "reports/html.py": "from exray.scanners.loop import step\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_all_that_scanners_import_is_hashed_and_nothing_else(package):
    modules = {str(path.relative_to(package)) for path in imported_modules(package, "scanners")}
    assert modules == {"scanners/loop.py", "adam.py", "rows.py", "deep/late.py"}


@pytest.mark.parametrize("name", ["scanners/loop.py", "adam.py", "rows.py", "deep/late.py"])
def test_changed_code_makes_another_hash(package, name):
    before = hash_of(imported_modules(package, "scanners"))
    (package / name).write_text((package / name).read_text() + "x = 1\n")
    assert hash_of(imported_modules(package, "scanners")) != before


def test_comments_and_docstrings_change_no_hash(package):
    before = hash_of(imported_modules(package, "scanners"))
    (package / "rows.py").write_text('"""Rows."""\n\nSIZE = 3  # as before\n')
    (package / "adam.py").write_text(
        "from exray import rows\n\n\ndef step():\n    '''Steps.'''\n    import exray.deep.late\n"
    )
    assert hash_of(imported_modules(package, "scanners")) == before


def test_our_own_optimiser_and_seeds_are_among_the_hashed():
    modules = imported_modules(Path(exray.__file__).parent, "scanners")
    assert {Path(exray.optim.__file__), Path(exray.seeding.__file__)} <= modules
    assert len(code_hash()) == 64
