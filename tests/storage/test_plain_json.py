"""JSON of plain values: what is written, what is refused."""

import math

import numpy as np
import pytest

from exray.storage.plain_json import flatten, from_json, plain, to_json


def test_numpy_scalars_become_plain_numbers():
    values = plain(
        {"a": np.float32(0.5), "b": np.bool_(True), "c": np.int64(3), "d": np.float64("nan")}
    )
    assert values == {"a": 0.5, "b": True, "c": 3, "d": None}
    assert [type(value) for value in values.values()] == [float, bool, int, type(None)]


def test_what_is_written_is_read_back_and_what_is_not_finite_is_null():
    values = {"a": [1, 2.5, True, None], "b": {"c": "d"}, "e": math.inf, "f": (math.nan, 1)}
    expected = {"a": [1, 2.5, True, None], "b": {"c": "d"}, "e": None, "f": [None, 1]}
    assert from_json(to_json(values).decode()) == expected


def test_text_that_is_no_object_is_refused():
    with pytest.raises(ValueError, match="must be a JSON object; got list"):
        from_json("[1]")
    with pytest.raises(ValueError, match="NaN is not JSON"):
        from_json('{"a": NaN}')
    with pytest.raises(ValueError, match="-Infinity is not JSON"):
        from_json('{"a": -Infinity}')


def test_an_empty_group_of_a_configuration_keeps_its_key():
    config = {"a": {"b": {"c": 1}, "d": {}}, "e": [{"f": 2}]}
    assert flatten(config) == {"a.b.c": 1, "a.d": {}, "e": [{"f": 2}]}
