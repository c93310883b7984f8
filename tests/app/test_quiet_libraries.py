import warnings

from exray.app.quiet_libraries import quiet_libraries


def test_advice_of_libraries_is_ignored_and_other_warnings_are_not():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        quiet_libraries()
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        warnings.warn("look", UserWarning, stacklevel=1)
    assert [str(warning.message) for warning in seen] == ["look"]
