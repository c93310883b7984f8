"""Trigger files as another tool writes them, with numpy alone; each mistake in one clear line."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from exray.triggers.external_file import read_triggers
from exray.triggers.filter import FilterTrigger
from exray.triggers.paired import PairedTrigger
from exray.triggers.patch import PatchTrigger

PATCH = {"name": "a", "kind": "patch", "victim_class": 0, "target_class": 1}
PAIRS = {"name": "b", "kind": "pairs", "victim_class": "all", "target_class": 2}
FILTER = {
    "name": "c",
    "kind": "filter",
    "victim_class": 2,
    "target_class": 0,
    "window": 3,
    "image_size": [8, 8],
}
STREAM = np.random.default_rng(0)
ARRAYS = {
    "a/mask": STREAM.random((8, 8)),
    "a/pattern": STREAM.random((3, 8, 8)),
    "b/clean": STREAM.integers(0, 256, (4, 3, 8, 8), dtype=np.uint8),
    "b/stamped": STREAM.integers(0, 256, (4, 3, 8, 8), dtype=np.uint8),
    "c/kernel": np.eye(12, 3),
}


def written(folder, entries, arrays):
    path = folder / "found.npz"
    np.savez(path, **arrays)
    path.with_suffix(".json").write_text(json.dumps({"triggers": entries}))
    return path


def forms(folder):
    """The same triggers in each of the forms a file may have."""
    text = json.dumps({"triggers": [PATCH, PAIRS, FILTER]})
    np.savez_compressed(folder / "inner.npz", triggers=text, **ARRAYS)
    save_file(ARRAYS, folder / "inner.safetensors", metadata={"triggers": text})
    save_file(ARRAYS, folder / "beside.safetensors")
    (folder / "beside.json").write_text(text)
    return [
        written(folder, [PATCH, PAIRS, FILTER], ARRAYS),
        *(folder / name for name in ("inner.npz", "inner.safetensors", "beside.safetensors")),
    ]


@pytest.mark.parametrize("form", range(4))
def test_every_form_of_file_gives_the_same_triggers(tmp_path, form):
    patch, pairs, kernel = read_triggers(forms(tmp_path)[form])
    assert isinstance(patch.trigger, PatchTrigger)
    assert isinstance(pairs.trigger, PairedTrigger)
    assert isinstance(kernel.trigger, FilterTrigger)
    assert [named.name for named in (patch, pairs, kernel)] == ["a", "b", "c"]
    assert [named.victim_class for named in (patch, pairs, kernel)] == [0, None, 2]
    assert [named.target_class for named in (patch, pairs, kernel)] == [1, 2, 0]
    assert all(named.trigger.input_size == (8, 8) for named in (patch, pairs, kernel))
    assert np.allclose(patch.trigger.mask.numpy(), ARRAYS["a/mask"])
    assert np.allclose(pairs.trigger.stamped.numpy(), ARRAYS["b/stamped"] / 255)


def test_one_colour_is_a_pattern(tmp_path):
    arrays = {"a/mask": np.ones((4, 6), dtype=bool), "a/pattern": np.array([255, 0, 51], "uint8")}
    (named,) = read_triggers(written(tmp_path, [PATCH], arrays))
    stamped = named.trigger.apply(torch.zeros(1, 3, 4, 6))
    assert torch.allclose(stamped[0, :, 3, 5], torch.tensor([1.0, 0.0, 0.2]))


def test_a_file_may_hold_no_trigger(tmp_path):
    assert read_triggers(written(tmp_path, [], {})) == ()


WRONG = [
    (PATCH, {"a/mask": np.zeros((8, 8))}, r"the array 'a/pattern' is missing"),
    (PATCH, {"a/mask": np.zeros((1, 8, 8)), "a/pattern": np.zeros(3)}, r"mask must be of shape"),
    (PATCH, {"a/mask": np.zeros((0, 8)), "a/pattern": np.zeros(3)}, r"mask must be of shape"),
    (
        PATCH,
        {"a/mask": np.zeros((8, 8)), "a/pattern": np.zeros((8, 8, 3))},
        r"pattern must be of shape \(3, 8, 8\).*got \(8, 8, 3\); move the colour axis",
    ),
    (
        PATCH,
        {"a/mask": np.full((8, 8), 255.0), "a/pattern": np.zeros(3)},
        r"mask must lie in \[0, 1\]; got values from 255 to 255",
    ),
    (
        PATCH,
        {"a/mask": np.full((8, 8), np.nan), "a/pattern": np.zeros(3)},
        r"mask must lie in \[0, 1\]; got values from nan",
    ),
    (
        PATCH,
        {"a/mask": np.ones((8, 8), dtype=np.uint8), "a/pattern": np.zeros(3)},
        r"mask must hold floats; got uint8",
    ),
    (
        PATCH,
        {"a/mask": np.ones((8, 8)), "a/pattern": np.zeros(3, dtype=np.int64)},
        r"pattern must hold floats or bytes; got int64",
    ),
    (
        PAIRS,
        {"b/clean": np.zeros((2, 3, 8, 8)), "b/stamped": np.zeros((1, 3, 8, 8))},
        r"clean and stamped must hold as many images",
    ),
    (
        PAIRS,
        {"b/clean": np.zeros((2, 8, 8, 3)), "b/stamped": np.zeros((2, 8, 8, 3))},
        r"clean must be of shape \(n, 3, h, w\).*move the colour axis",
    ),
    (FILTER, {"c/kernel": np.eye(3)}, r"kernel must be of shape \(12, 3\); got \(3, 3\)"),
    (FILTER, {"c/kernel": 2 * np.eye(12, 3)}, r"kernel must lie in \[-1, 1\]"),
    (FILTER | {"window": 4}, {"c/kernel": np.eye(12, 3)}, r"window must be odd"),
    (FILTER | {"window": None}, {"c/kernel": np.eye(12, 3)}, r"window: expected `int`; got None"),
    (
        FILTER | {"image_size": 8},
        {"c/kernel": np.eye(12, 3)},
        r"image_size: expected `array`; got 8",
    ),
    (PATCH | {"window": 3}, ARRAYS, r"of kind patch has no key 'window'; it has: name"),
    (PATCH | {"kind": "blob"}, {}, r"kind must be one of .*patch.*; got 'blob'"),
    (PATCH | {"target_class": 0}, ARRAYS, r"victim_class and target_class must differ; both are 0"),
    (PATCH | {"target_class": -1}, ARRAYS, r"target_class must be a class index.*got -1"),
    (PATCH | {"target_class": True}, ARRAYS, r"target_class must be a class index.*got True"),
    (PATCH | {"target_class": "all"}, ARRAYS, r"target_class must be a class index.*got 'all'"),
    (PATCH | {"victim_class": 0.5}, ARRAYS, r"victim_class must be .*, or \"all\" for a universal"),
]


@pytest.mark.parametrize(("entry", "arrays", "said"), WRONG)
def test_a_wrong_entry_is_one_line_with_file_and_entry(tmp_path, entry, arrays, said):
    path = written(tmp_path, [entry], arrays)
    with pytest.raises(ValueError, match=rf"found.npz: trigger '{entry['name']}': .*{said}") as got:
        read_triggers(path)
    assert "\n" not in str(got.value)


TEXTS = [
    ("{", r"found.json holds no JSON"),
    ("[]", r"found.json must read \{\"triggers\": "),
    ('{"triggers": [1]}', r"found.json must read"),
    ('{"triggers": [{}]}', r"found.json: trigger number 0 needs a name, the arrays' prefix"),
    (
        json.dumps({"triggers": [PATCH | {"victim": 1}]}),
        r"trigger 'a': .* has no key 'victim'; it has",
    ),
    (json.dumps({"triggers": [PATCH, PATCH]}), r"two triggers are called 'a'"),
    (json.dumps({"triggers": [PATCH]}), r"array 'b/clean' belongs to no trigger"),
]


@pytest.mark.parametrize(("text", "said"), TEXTS)
def test_wrong_json_is_one_line(tmp_path, text, said):
    path = written(tmp_path, [], ARRAYS)
    path.with_suffix(".json").write_text(text)
    with pytest.raises(ValueError, match=said):
        read_triggers(path)


def test_json_that_is_no_text_is_refused(tmp_path):
    path = written(tmp_path, [], {})
    path.with_suffix(".json").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ValueError, match=r"found.json cannot be read"):
        read_triggers(path)
    np.savez(path, triggers=np.zeros(3))
    with pytest.raises(ValueError, match=r"the array 'triggers' must hold the JSON's text"):
        read_triggers(path)


def test_pickled_arrays_are_not_opened(tmp_path):
    class Fires:
        def __reduce__(self):
            return (open, (str(tmp_path / "fired"), "w"))

    path = written(tmp_path, [PATCH], {"a/mask": np.array([Fires()], dtype=object)})
    with pytest.raises(ValueError, match=r"found.npz cannot be read .*Pickles are not opened"):
        read_triggers(path)
    assert not (tmp_path / "fired").exists()


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere.npz does not exist or is no file"):
        read_triggers(tmp_path / "nowhere.npz")
    other = tmp_path / "found.pt"
    other.write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"found.pt must end in .npz or .safetensors"):
        read_triggers(other)
    for name, said in (("a.npz", "cannot be read"), ("a.safetensors", "is no safetensors file")):
        (tmp_path / name).write_bytes(b"nonsense" * 4)
        with pytest.raises(ValueError, match=rf"{name} {said}"):
            read_triggers(tmp_path / name)
    np.savez(tmp_path / "bare.npz", **ARRAYS)
    with pytest.raises(ValueError, match=r"bare.npz has no JSON .*; write bare.json beside it"):
        read_triggers(tmp_path / "bare.npz")


def test_a_kind_without_arrays_needs_its_options_alone(tmp_path):
    entry = {**PATCH, "kind": "instagram", "filter_name": "Lomo", "image_size": [8, 8]}
    (named,) = read_triggers(written(tmp_path, [entry], {}))
    assert named.trigger.filter_name == "Lomo"
    with pytest.raises(ValueError, match=r"filter_name must be one of Gotham.*; got 'Sepia'"):
        read_triggers(written(tmp_path, [{**entry, "filter_name": "Sepia"}], {}))
