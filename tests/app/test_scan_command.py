"""What `exray scan` checks and says before and after a scan."""

import pytest

from exray.app.scan_command import FLAGS, INTERRUPTED, MISTAKE, check_values, in_flags, scan_file


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "m.pt"
    path.write_bytes(b"")
    return path


def scan(model, **choices):
    values = {"dataset.model": str(model), "dataset.images": str(model.parent)}
    return scan_file(values, **{"scanner": None, "judge": None, "fast": False, **choices})


def test_every_key_becomes_its_flag_and_longer_keys_are_not_cut():
    for key, flag in FLAGS.items():
        if "." in key:
            assert in_flags(f"{key} must be given") == f"{flag} must be given"
            assert in_flags(f"got {key}=3") == f"got {flag} 3"
    assert in_flags("choose another name=...") == "choose another --name"
    assert in_flags("seed must be a number") == "seed must be a number"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"dataset.model": "nowhere.pt"}, "FILE must be a file; got 'nowhere.pt'"),
        ({"dataset.images": "nowhere"}, "--images must be a folder; got 'nowhere'"),
        ({"scanner.triggers": "nowhere"}, "--triggers must be a file; got 'nowhere'"),
        ({"dataset.factory": "nowhere"}, "--factory must be FILE.py:function"),
        ({"dataset.architecture": "resnet19"}, "--architecture 'resnet19' is not known"),
    ],
)
def test_what_does_not_exist_is_refused_by_its_flag(values, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        check_values(values)
    check_values(dict.fromkeys(values))  # None leaves the default


def test_an_option_that_is_none_is_a_mistake_of_one_line(model, capsys):
    assert scan(model, judge="l3") == MISTAKE
    written = capsys.readouterr()
    assert written.err.startswith("exray: --judge must be one of deeplift, ")
    assert (written.err.count("\n"), written.out) == (1, "")


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), INTERRUPTED, "exray: interrupted; the same command starts again\n"),
        (OSError("paths.results is full"), MISTAKE, "exray: --results is full\n"),
    ],
)
def test_what_stops_a_scan_is_one_line(model, monkeypatch, capsys, error, status, said):
    def stopped(*_):
        raise error

    monkeypatch.setattr("exray.app.scan_command._scanned", stopped)
    assert scan(model) == status
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("fast", [False, True])
def test_a_fast_scan_adds_the_debug_preset(model, monkeypatch, fast):
    choices = []
    monkeypatch.setattr(
        "exray.app.scan_command._scanned",
        lambda _, words: choices.extend(words) or ("m\tinconclusive\t0.5\t0\t0",),
    )
    assert scan(model, scanner="abs", fast=fast) == 3
    assert choices == ["scanner=abs", *(["debug=fast"] if fast else [])]
