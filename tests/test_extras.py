"""Libraries that only some commands need."""

import pytest

from exray.extras import import_extra


def test_an_installed_library_is_imported():
    assert (
        import_extra("json.decoder", extra="figures", purpose="a test").__name__ == "json.decoder"
    )


def test_a_missing_library_is_answered_with_the_way_to_install_it():
    with pytest.raises(
        ValueError,
        match=r"^a drawing needs nothing_at_all, which is not installed: "
        r"pip install 'exray\[figures\]'$",
    ):
        import_extra("nothing_at_all.figure", extra="figures", purpose="a drawing")


def test_a_library_that_lacks_something_of_its_own_says_so():
    with pytest.raises(ModuleNotFoundError, match=r"json\.nothing"):
        import_extra("json.nothing", extra="figures", purpose="a drawing")
