"""The command ``exray-trojai``: NIST's container interface, one probability always, in time."""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

from exray.storage.atomic_files import replace_file
from exray.subprocesses import run_bounded

_WORKER = "exray.app.trojai.worker"
_SPARE_SECONDS = 5.0  # of the limit, to stop a scan and to write
# What later rounds pass, and a scan of an image classifier does not use.
_UNUSED = (
    "round_training_dataset_dirpath", "learned_parameters_dirpath", "schema_filepath",
    "features_filepath", "tokenizer_filepath", "embedding_filepath", "source_dataset_dirpath",
    "scale_parameters_filepath", "configure_models_dirpath", "num_iterations_to_search",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class WorkerReply:
    """The JSON file beside the probability.

    Args:
        probability: That the model is trojaned, in [0, 1].
        is_prior: Whether that is the prior, for want of a verdict.
        reason: Why it is the prior, in one line; empty if there is a verdict.
        verdict: The scan's; empty if there is none.
        seconds: Wall time.
        warnings: The scan's.
    """

    probability: float
    is_prior: bool
    reason: str
    verdict: str = ""
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()


class _StoppedError(Exception):
    """The container is being stopped."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the probability that one model is trojaned, and exits with status 0.

    The prior is written before anything else, so that whatever ends this process leaves a number.
    The scan runs in a process of its own, which is stopped when the time is up.

    Args:
        arguments: Words after the program's name; the process's own where None.
    """
    start = time.monotonic()
    words, others = _parser().parse_known_args(arguments)
    overrides = [word for word in others if "=" in word and not word.startswith("-")]
    result = Path(words.result_filepath)
    result.parent.mkdir(parents=True, exist_ok=True)
    prior = WorkerReply(probability=words.prior, is_prior=True, reason="the scan has not ended")
    _write(result, prior)
    signal.signal(signal.SIGTERM, _stop)
    unknown = [word for word in others if word not in (*overrides, "infer")]
    if unknown:
        sys.stderr.write(f"exray-trojai: not known and not used: {' '.join(unknown)}\n")
    try:
        reply = _scanned(words, overrides, start)
    except (_StoppedError, KeyboardInterrupt):
        reply = WorkerReply(probability=words.prior, is_prior=True, reason="stopped from outside")
    except Exception as error:  # a probability must be written, whatever went wrong
        line = " ".join(f"{type(error).__name__}: {error}".split())
        reply = WorkerReply(probability=words.prior, is_prior=True, reason=line)
    seconds = round(time.monotonic() - start, 3)
    _write(result, WorkerReply(**{**asdict(reply), "seconds": seconds}))
    if reply.reason:
        sys.stderr.write(f"exray-trojai: the prior {reply.probability}: {reply.reason}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="exray-trojai", allow_abbrev=False, epilog="KEY=VALUE: overrides, as of run.py"
    )
    parser.add_argument("--model_filepath", default="", help="model.pt")
    parser.add_argument("--result_filepath", required=True, help="where the probability goes")
    parser.add_argument("--scratch_dirpath", default="", help="for temporary files")
    parser.add_argument("--examples_dirpath", default="", help="clean example images")
    parser.add_argument(
        "--metaparameters_filepath", default="", help="JSON of KEY: VALUE overrides"
    )
    parser.add_argument("--round", type=int, default=4, choices=[2, 3, 4], help="preprocessing")
    parser.add_argument("--time_limit_seconds", type=_positive, default=900.0)
    parser.add_argument("--prior", type=_share, default=0.5, help="written where a scan fails")
    for name in _UNUSED:
        parser.add_argument(f"--{name}", default="", help=argparse.SUPPRESS)
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a positive number of seconds; got {text}")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must lie in [0, 1]; got {text}")
    return value


def _scanned(words: argparse.Namespace, typed: list[str], start: float) -> WorkerReply:
    """The worker's reply, or the prior with the reason."""
    for name in ("model_filepath", "examples_dirpath"):
        if not getattr(words, name):
            raise ValueError(f"--{name} must be given")
    overrides = [*_metaparameters(words.metaparameters_filepath), *typed]
    with tempfile.TemporaryDirectory(dir=_scratch(words.scratch_dirpath)) as folder:
        task = Path(folder) / "task.json"
        reply_file = Path(folder) / "answer.json"
        values = {
            "model": str(Path(words.model_filepath).resolve()),
            "examples": str(Path(words.examples_dirpath).resolve()),
            "round": words.round,
            "overrides": overrides,
            "answer": str(reply_file),
        }
        task.write_text(json.dumps(values))
        left = words.time_limit_seconds - (time.monotonic() - start)
        spare = min(_SPARE_SECONDS, words.time_limit_seconds / 4)
        reason = _run([sys.executable, "-m", _WORKER, str(task)], folder, max(0.0, left - spare))
        if not reply_file.is_file():
            return WorkerReply(probability=words.prior, is_prior=True, reason=reason)
        reply = json.loads(reply_file.read_text())
    failed = bool(reply["reason"])
    return WorkerReply(
        probability=words.prior if failed else float(reply["probability"]),
        is_prior=failed,
        reason=reply["reason"],
        verdict=reply["verdict"],
        warnings=tuple(reply["warnings"]),
    )


def _metaparameters(path: str) -> list[str]:
    """Overrides of a JSON object; none without a file."""
    if not path:
        return []
    values: object = json.loads(Path(path).read_text())
    if not isinstance(values, dict):
        raise ValueError(f"{path} must hold a JSON object of overrides, KEY: VALUE")
    return [f"{key}={json.dumps(value)}" for key, value in values.items()]


def _scratch(path: str) -> str | None:
    """The folder for temporary files; None, the system's, if this one cannot be used."""
    if not path:
        return None
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return path if os.access(path, os.W_OK) else None


def _run(command: list[str], folder: str, seconds: float) -> str:
    """Runs the worker and says how it ended; its own children end with it."""
    result = run_bounded(command, seconds=seconds, environment={"TMPDIR": folder})
    if result.status is None:
        return f"the scan was stopped after {seconds:.0f} seconds, at its time limit"
    last = result.last_line or "it said nothing"
    return f"the scan ended with status {result.status}: {last[:300]}"


def _write(result: Path, reply: WorkerReply) -> None:
    """Writes the probability alone in its file, and the whole reply as JSON beside it."""
    beside = result.with_name(f"{result.name}.json")
    replace_file(beside, (json.dumps(asdict(reply), indent=1) + "\n").encode())
    replace_file(result, f"{reply.probability}\n".encode())


def _stop(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise _StoppedError


if __name__ == "__main__":
    main()
