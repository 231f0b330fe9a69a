"""The child's side of `engine.process`: what a service is, and the loop that runs it."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from engine.errors import HolaError, ProcessError

__all__ = ["IDLE", "STEP", "Cancel", "CancelToken", "Done", "Failure", "Occurred", "Request", "Service", "serve"]

logger = logging.getLogger(__name__)

IDLE_WAIT_S, LONG_IDLE_WAIT_S = 0.01, 0.1
LONG_IDLE_AFTER = 100
"""Looks in vain after which a waiting request is looked at less often, so that a paused job costs next to nothing."""
ORPHAN_GRACE_S = 2.0
LOG_LIMIT_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Request:
    """A request on its way to the child."""

    request_id: int
    priority: int
    payload: Any


@dataclass(frozen=True, slots=True)
class Cancel:
    """The request of this id is to end."""

    request_id: int


@dataclass(frozen=True, slots=True)
class Occurred:
    """An event of a request."""

    request_id: int
    event: Any


@dataclass(frozen=True, slots=True)
class Done:
    """The request is answered."""

    request_id: int


@dataclass(frozen=True, slots=True)
class Failure:
    """The request ended with an error."""

    request_id: int
    error: HolaError


class _Idle:
    """The type of IDLE and STEP."""


IDLE = _Idle()
"""What a request yields while it waits for something outside: the loop then looks at the others."""

STEP = _Idle()
"""What a request yields between two steps of work with nothing to tell: more urgent requests go first."""


class CancelToken:
    """Tells a service whether its request is to end; set by another thread, so long native calls may watch it."""

    def __init__(self) -> None:
        self.cancelled = False


class Service(Protocol):
    """What runs inside a child process."""

    def handle(self, request: Any, cancel: CancelToken) -> Iterator[Any]:
        """Answer a request by events; end soon, by a last event or none, once `cancel.cancelled` is set."""
        ...

    def close(self) -> None:
        """Free what the service holds."""
        ...


class _Job:
    def __init__(self, request: Request) -> None:
        self.id = request.request_id
        self.order = (request.priority, request.request_id)
        self.payload = request.payload
        self.token = CancelToken()
        self.events: Iterator[Any] | None = None
        self.idle = False


class _Loop:
    """Advance the most urgent request by one event at a time."""

    def __init__(self, name: str, connection: Connection, service: Service) -> None:
        self._name = name
        self._connection = connection
        self._service = service
        self._inbox: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._jobs: dict[int, _Job] = {}
        self._known: dict[int, _Job] = {}
        self._known_lock = threading.Lock()
        self._idle_looks = 0

    def read(self) -> None:
        """Receive requests; runs in its own thread, so that a cancel arrives while native code works."""
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                message = None
            if message is None:
                break
            if isinstance(message, Request):
                job = _Job(message)
                with self._known_lock:
                    self._known[job.id] = job
                self._inbox.put(job)
            else:
                with self._known_lock:
                    known = self._known.get(message.request_id)
                if known is not None:
                    known.token.cancelled = True
        # The end is told first: a job that only sees its cancel flag would begin to undo what is to go on later.
        self._inbox.put(None)
        with self._known_lock:
            for job in self._known.values():
                job.token.cancelled = True
        # The parent is gone or closes: native code that does not come back must not keep an orphan alive.
        timer = threading.Timer(ORPHAN_GRACE_S, os._exit, (0,))
        timer.daemon = True
        timer.start()

    def run(self) -> None:
        """Answer requests until the parent closes the connection."""
        while True:
            job = self._next_message()
            if job is None:
                break
            runnable = min(self._jobs.values(), key=lambda each: (each.idle, each.order), default=None)
            if runnable is not None:
                self._advance(runnable)
        for left in list(self._jobs.values()):
            self._end(left, None)

    def _next_message(self) -> bool | None:
        """Take in new requests; None when there will be no more. Waits only if there is nothing to do."""
        if not self._jobs:
            wait: float | None = None
        elif all(job.idle for job in self._jobs.values()):
            self._idle_looks += 1
            wait = IDLE_WAIT_S if self._idle_looks < LONG_IDLE_AFTER else LONG_IDLE_WAIT_S
        else:
            self._idle_looks = 0
            wait = 0.0
        while True:
            try:
                job = self._inbox.get(timeout=wait) if wait != 0.0 else self._inbox.get_nowait()
            except queue.Empty:
                return True
            if job is None:
                return None
            self._jobs[job.id] = job
            wait = 0.0

    def _advance(self, job: _Job) -> None:
        if job.token.cancelled and job.events is None:
            self._end(job, Done(job.id))
            return
        try:
            if job.events is None:
                job.events = self._service.handle(job.payload, job.token)
            event = next(job.events)
        except StopIteration:
            self._end(job, Done(job.id))
        except HolaError as error:
            self._end(job, Failure(job.id, error))
        except Exception as exc:
            # The boundary: a defect in a service must not end the process unheard.
            logger.exception("%s failed", self._name)
            text = f"The {self._name} met an unexpected problem ({type(exc).__name__}: {exc}); details are in the logs."
            self._end(job, Failure(job.id, ProcessError(text)))
        else:
            job.idle = event is IDLE
            if event is not IDLE and event is not STEP:
                self._connection.send(Occurred(job.id, event))
            if not job.idle:
                for other in self._jobs.values():
                    other.idle = False

    def _end(self, job: _Job, message: Done | Failure | None) -> None:
        del self._jobs[job.id]
        with self._known_lock:
            self._known.pop(job.id, None)
        close = getattr(job.events, "close", None)
        if close is not None:
            try:
                close()
            except HolaError:
                logger.exception("%s: clean-up failed", self._name)
        if message is not None:
            self._connection.send(message)


def serve(
    name: str,
    connection: Connection,
    factory: Callable[..., Service],
    arguments: tuple[Any, ...],
    log_file: Path | None,
    niceness: int,
) -> None:
    """Run a service in this (child) process until the parent closes the connection."""
    # Ctrl+C reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _redirect_output(log_file)
    if niceness and hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(niceness)
    try:
        service = factory(*arguments)
        loop = _Loop(name, connection, service)
        threading.Thread(target=loop.read, name="requests", daemon=True).start()
        loop.run()
        service.close()
    except (BrokenPipeError, ConnectionResetError):
        logger.info("%s: the parent is gone", name)


def _redirect_output(log_file: Path | None) -> None:
    """Send all output, native libraries' too, to the log file: the parent's stdout may be read by a program."""
    target = os.devnull
    if log_file is not None:
        if log_file.exists() and log_file.stat().st_size > LOG_LIMIT_BYTES:
            log_file.replace(log_file.with_suffix(".old.log"))
        target = str(log_file)
    descriptor = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)
    for number, attribute in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, attribute) is None:
            setattr(sys, attribute, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115
    faulthandler.enable()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
