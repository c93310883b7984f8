"""Worker processes that stay while models stream through them, and what becomes of dead ones."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess

from exray.pipeline.runner import RunProgress, ScanRun
from exray.results.model_scan import ModelScan
from exray.results.sessions import RunSession
from exray.results.store import ResultStore

GOODBYE_SECONDS = 10.0  # for a worker that has no more to do, to end by itself
BAD_STARTS = 3  # workers that die one after the other before their first model


class WorkerDiedError(ValueError):
    """Workers die before they reach a model, so that none can be blamed.

    Args:
        count: How many did, one after the other.
        status: How the last one ended, negative for a signal.
    """

    def __init__(self, count: int, status: int | None) -> None:
        super().__init__(
            f"{count} workers died before their first model, the last with status {status} (-9: "
            "killed, out of memory); lower trainer.scan_workers"
        )


@dataclass(frozen=True, kw_only=True)
class PoolSettings:
    """How many workers, and how long they may take.

    Args:
        workers: Processes side by side, each at one model at a time.
        time_limit: Seconds that a model may take, after which it is failed; None for no limit.
        preload: Modules that are imported once for all workers.

    Raises:
        ValueError: If a number is not positive.
    """

    workers: int
    time_limit: float | None = None
    preload: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"scan_workers must be >= 1; got {self.workers}")
        if self.time_limit is not None and not self.time_limit > 0:
            raise ValueError(f"time_limit must be null or seconds above 0; got {self.time_limit!r}")


@dataclass(kw_only=True)
class _Seat:
    """A worker's process, which is replaced when it dies.

    Args:
        index: Its place among the workers.
        process: The process.
        messages: What it says.
        model_id: The model that it is at; empty between two.
        since: When it began with it, by the pool's clock.
        is_tried: Whether it has got to any model.
        is_done: Whether it has no more to do.
        is_dead: Whether it ended before that.
    """

    index: int
    process: ForkServerProcess
    messages: Connection
    model_id: str = ""
    since: float = 0.0
    is_tried: bool = False
    is_done: bool = False
    is_dead: bool = False


@dataclass(kw_only=True)
class WorkerPool:
    """Scans models in processes of its own, each of which takes the next free model.

    A worker that overstays the time limit at a model is killed and the model failed; one that died
    is replaced, and its model begun again. Workers die with the pool's process.

    Args:
        build: Makes a worker's run, in its process, of its place and of what it tells progress to;
            pickled.
        store: Where the records go.
        settings: How many workers, and how long they may take.
        on_scan: Called with every model's scan, stored earlier or now.
        progress: Shows the progress of the run.
    """

    build: Callable[[int, RunProgress], ScanRun]
    store: ResultStore
    settings: PoolSettings
    on_scan: Callable[[ModelScan], None]
    progress: RunProgress
    _reported: set[str] = field(default_factory=set, init=False)
    _bad_starts: int = field(default=0, init=False)

    def scan(self, model_ids: Sequence[str], expected: Sequence[str]) -> None:
        """Scans those that have no finished record, or waits until another process has.

        Args:
            model_ids: The models.
            expected: Those that the run is to have records of.

        Raises:
            StorageError: If the records cannot be written.
            WorkerDiedError: If workers die before they reach a model.
        """
        session = self.store.session()
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__, *self.settings.preload])
        with session.joined(expected, scans=False), self.progress.shown():
            seats = [
                self._seated(context, index, model_ids)
                for index in range(min(self.settings.workers, len(model_ids)))
            ]
            try:
                while any(not seat.is_done for seat in seats):
                    self._look_after(seats, session)
                    for place, seat in enumerate(seats):
                        if seat.is_dead:
                            self._bury(seat)
                            seats[place] = self._seated(context, seat.index, model_ids)
            finally:
                for seat in seats:
                    if seat.is_done:
                        seat.process.join(GOODBYE_SECONDS)
                    seat.process.kill()
                    seat.process.join()

    def _seated(self, context: ForkServerContext, index: int, model_ids: Sequence[str]) -> _Seat:
        """A new worker."""
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(self.build, index, model_ids, sender))
        process.start()
        sender.close()
        return _Seat(index=index, process=process, messages=receiver)

    def _look_after(self, seats: Sequence[_Seat], session: RunSession) -> None:
        """Waits for news of the workers, hears it, and ends those that overstay."""
        at_work = [seat for seat in seats if not (seat.is_done or seat.is_dead)]
        news = wait([seat.messages for seat in at_work], self._pause(at_work))
        for seat in at_work:
            if seat.messages in news:
                self._hear(seat)
            limit = self.settings.time_limit
            if limit is not None and seat.model_id and time.monotonic() >= seat.since + limit:
                session.give_up(seat.model_id, f"took longer than the time limit of {limit:g} s")
                seat.process.kill()
                seat.is_dead = True

    def _pause(self, seats: Sequence[_Seat]) -> float | None:
        """Seconds until the first worker overstays; None if none can."""
        if self.settings.time_limit is None:
            return None
        ends = [seat.since + self.settings.time_limit for seat in seats if seat.model_id]
        return max(min(ends) - time.monotonic(), 0.0) if ends else None

    def _hear(self, seat: _Seat) -> None:
        """Takes in all that a worker has said."""
        try:
            while seat.messages.poll():
                message = seat.messages.recv()
                if isinstance(message, BaseException):
                    raise message
                self._take_in(seat, *message)
        except (EOFError, ConnectionResetError):
            seat.is_dead = not seat.is_done

    def _take_in(self, seat: _Seat, kind: str, model_id: str, text: str) -> None:
        seat.is_done = kind == "end"
        seat.is_tried = seat.is_tried or kind in ("begin", "finish")
        if kind == "begin":
            seat.model_id, seat.since = model_id, time.monotonic()
        elif kind in ("finish", "put_off"):
            seat.model_id = ""
        if kind == "finish":
            self._report(model_id, text)

    def _report(self, model_id: str, text: str) -> None:
        """Tells of a model once, whoever settled it, and however many workers met it."""
        if model_id in self._reported:
            return
        self._reported.add(model_id)
        self.on_scan(self.store.read(model_id))
        self.progress.start(model_id)
        self.progress.finish(text)

    def _bury(self, seat: _Seat) -> None:
        """Notes a worker's death, and gives up where none gets as far as a model."""
        seat.process.join()
        self._bad_starts = 0 if seat.is_tried else self._bad_starts + 1
        if self._bad_starts >= BAD_STARTS:
            raise WorkerDiedError(self._bad_starts, seat.process.exitcode)


class _Told:
    """Progress that goes to the pool."""

    def __init__(self, sender: Connection) -> None:
        self.sender = sender
        self.model_id = ""

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Shows nothing itself."""
        yield

    def start(self, model_id: str) -> None:
        """Names the model that it gets to."""
        self.model_id = model_id

    def begin(self, model_id: str) -> None:
        """Says that a scan begins."""
        self.sender.send(("begin", model_id, ""))

    def stage(self, name: str, done: int, total: int) -> None:
        """Stages are told by the worker's own heartbeat."""

    def put_off(self) -> None:
        """Says that the model is left for later."""
        self.sender.send(("put_off", self.model_id, ""))

    def finish(self, text: str) -> None:
        """Says what came of the model."""
        self.sender.send(("finish", self.model_id, text))


def _work(
    build: Callable[[int, RunProgress], ScanRun],
    index: int,
    model_ids: Sequence[str],
    sender: Connection,
) -> None:
    """A worker's whole life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the pool ends its workers itself
    threading.Thread(target=_die_with_the_pool, daemon=True).start()
    progress = _Told(sender)
    try:
        run = replace(build(index, progress), on_begin=progress.begin)
        run.scan(model_ids)
        sender.send(("end", "", ""))
    except BrokenPipeError:  # the pool is gone
        os._exit(1)
    except Exception as error:  # the pool says it, once for all workers
        sender.send(_portable(error))


def _die_with_the_pool() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _portable(error: Exception) -> Exception:
    """An error that can be sent to the pool: a mistake by its words, any other by its traceback."""
    if isinstance(error, ValueError):
        return ValueError(str(error))
    if isinstance(error, OSError):
        return OSError(str(error))
    return RuntimeError("".join(traceback.format_exception(error)))


def use_one_gpu(index: int, environment: Mapping[str, str] = os.environ) -> str | None:
    """The GPU that a worker sees alone, as ``CUDA_VISIBLE_DEVICES`` names it; None without any.

    Args:
        index: The worker's place.
        environment: Variables; those that it lists are dealt out in turn.

    Example:
        >>> [use_one_gpu(index, {"CUDA_VISIBLE_DEVICES": "2,3"}) for index in range(3)]
        ['2', '3', '2']
    """
    listed = environment.get("CUDA_VISIBLE_DEVICES")
    devices = _device_names() if listed is None else [name for name in listed.split(",") if name]
    return devices[index % len(devices)] if devices else None


def _device_names() -> list[str]:
    import torch

    return [str(device) for device in range(torch.cuda.device_count())]
