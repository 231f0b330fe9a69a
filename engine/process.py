"""A supervised child process: spawn, request -> stream of events, cancel, crash reason, restart.

Native code (llama.cpp, LanceDB, ONNX, parsers) can abort or starve a process, so it lives in children of this kind.
The child runs a `Service` in a loop: each request becomes a generator, the most urgent one is advanced by one
event at a time, so a search (priority 0) is answered between two steps of an index job (priority 1).
A request needs no session: it carries all that the service must know, so that a restarted child can answer it.
"""

from __future__ import annotations

import atexit
import itertools
import logging
import multiprocessing
import queue
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from engine.errors import HolaError, ProcessCrashed, ProcessError, ProcessTimeout
from engine.service import Cancel, Done, Failure, Occurred, Request, Service, serve

__all__ = ["ChildProcess", "Reply", "describe_exit"]

logger = logging.getLogger(__name__)

LIMIT_CHECK_S = 0.25
FIRST_BACK_OFF_S = 0.1
LONGEST_BACK_OFF_S = 5.0
CRASHES_IN_A_ROW = 6
CRASH_MEMORY_S = 60.0

_children: weakref.WeakSet[ChildProcess] = weakref.WeakSet()


def describe_exit(exit_code: int | None) -> str:
    """Say why a process ended: a half sentence that follows its name."""
    if exit_code is None:
        return "stopped answering"
    if exit_code < 0:
        reasons = {
            "SIGKILL": "was ended by the system, perhaps because memory ran out",
            "SIGSEGV": "crashed (invalid memory access)",
            "SIGBUS": "crashed (a file it read was cut off)",
            "SIGABRT": "aborted itself",
            "SIGILL": "used an instruction that this processor lacks",
            "SIGTERM": "was ended from outside",
        }
        try:
            name = signal.Signals(-exit_code).name
        except ValueError:
            name = f"signal {-exit_code}"
        return reasons.get(name, f"was ended by {name}")
    if exit_code & 0xFFFFFFFF == 0xC0000005:
        return "crashed (invalid memory access)"
    return "ended" if exit_code == 0 else f"ended with exit code {exit_code}"


class Reply(Iterator[Any]):
    """The stream of events that answers one request; closing it cancels the request."""

    def __init__(self, child: ChildProcess, request_id: int, timeout_s: float | None) -> None:
        self._child = child
        self._id = request_id
        self._events: queue.SimpleQueue[Occurred | Done | Failure] = queue.SimpleQueue()
        self._deadline = time.monotonic() + timeout_s if timeout_s is not None else None
        self.finished = False
        """Whether the stream has ended, well or not."""

    def deliver(self, message: Occurred | Done | Failure) -> None:
        """Take a message from the dispatcher thread."""
        self._events.put(message)

    def __next__(self) -> Any:
        while True:
            if self.finished:
                raise StopIteration
            event = self.poll(LIMIT_CHECK_S if self._deadline is not None or self._child.memory_limit_mb else None)
            if event is not None:
                return event

    def poll(self, timeout_s: float | None = 0.0) -> Any | None:
        """Return the next event, or None if none came within `timeout_s` seconds or the stream ended.

        Raises the HolaError that the service raised, ProcessCrashed, or ProcessTimeout.
        """
        if self.finished:
            return None
        try:
            message = self._events.get(timeout=timeout_s) if timeout_s != 0.0 else self._events.get_nowait()
        except queue.Empty:
            self._enforce_limits()
            return None
        if isinstance(message, Occurred):
            return message.event
        self.finished = True
        if isinstance(message, Failure):
            raise message.error
        return None

    def cancel(self) -> None:
        """Ask the service to end this request soon; the events up to its end still come."""
        if not self.finished:
            self._child.cancel(self._id)

    def close(self) -> None:
        """Cancel the request and forget what it still says."""
        if not self.finished:
            self.finished = True
            self._child.cancel(self._id)
            self._child.forget(self._id)

    def result(self) -> Any:
        """Return the one event of a request that is answered at once."""
        events = list(self)
        if len(events) != 1:
            raise ProcessError(f"The {self._child.name} gave {len(events)} answers to one question: restart Hola.")
        return events[0]

    def _enforce_limits(self) -> None:
        if self._deadline is not None and time.monotonic() > self._deadline:
            self.finished = True
            self._child.kill()
            raise ProcessTimeout(f"The {self._child.name} took too long and was ended.")
        if self._child.over_memory_limit():
            self.finished = True
            limit = self._child.memory_limit_mb
            self._child.kill()
            raise ProcessTimeout(f"The {self._child.name} needed more than {limit} MiB of memory and was ended.")


class ChildProcess:
    """Run a service in a child process that may crash without harm to this one.

    `factory(*arguments)` must be importable at top level: it builds the service inside the child.
    All methods may be called from any thread.
    """

    def __init__(
        self,
        name: str,
        factory: Callable[..., Service],
        arguments: tuple[Any, ...] = (),
        *,
        log_file: Path | None = None,
        memory_limit_mb: int | None = None,
        niceness: int = 0,
    ) -> None:
        self.name = name
        self.memory_limit_mb = memory_limit_mb
        self._factory = factory
        self._arguments = arguments
        self._log_file = log_file
        self._niceness = niceness
        self._lock = threading.RLock()
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None
        self._replies: dict[int, Reply] = {}
        self._ids = itertools.count(1)
        self._crashes: list[float] = []
        self._next_memory_check = 0.0
        self._closed = False
        self._stop_waiting = threading.Event()
        _children.add(self)

    @property
    def pid(self) -> int | None:
        """Process id of the running child, or None."""
        process = self._process
        return process.pid if process is not None and process.is_alive() else None

    @property
    def generation(self) -> int | None:
        """Return a number that differs for each (re)start; None before the first."""
        process = self._process
        return process.pid if process is not None else None

    def start(self) -> None:
        """Start the child if it is not running; after a crash wait as long as the back-off says."""
        # Waited for without the lock: others may cancel and close meanwhile.
        wait_s = self._back_off()
        if wait_s > 0.0:
            self._stop_waiting.wait(wait_s)
        with self._lock:
            if self._closed:
                raise ProcessError(f"The {self.name} is closed.")
            if self._process is None or self._connection is None:
                self._spawn()

    def request(self, payload: Any, *, priority: int = 0, timeout_s: float | None = None) -> Reply:
        """Send a request; a lower priority number goes first.

        `timeout_s` is a limit in seconds for the whole stream: the child is ended when it is passed.
        """
        while True:
            self.start()
            with self._lock:
                if self._connection is None:
                    # It ended after its start and is buried already: nobody would answer.
                    continue
                reply = Reply(self, next(self._ids), timeout_s)
                self._replies[reply._id] = reply
                try:
                    self._send(Request(reply._id, priority, payload))
                except OSError:
                    # It died just now: the dispatcher tells the reason to every open reply, this one too.
                    logger.info("%s: request sent to a dead process", self.name)
                return reply

    def cancel(self, request_id: int) -> None:
        """Ask the child to end a request."""
        with self._lock:
            if request_id in self._replies:
                try:
                    self._send(Cancel(request_id))
                except OSError:
                    logger.info("%s: cancel sent to a dead process", self.name)

    def forget(self, request_id: int) -> None:
        """Drop what a request still says."""
        with self._lock:
            self._replies.pop(request_id, None)

    def over_memory_limit(self) -> bool:
        """Whether the child holds more memory than it may; looked up a few times a second at most."""
        now = time.monotonic()
        if self.memory_limit_mb is None or now < self._next_memory_check:
            return False
        self._next_memory_check = now + LIMIT_CHECK_S
        import psutil

        # Asked once: without a pid psutil would measure this very process.
        pid = self.pid
        try:
            return pid is not None and psutil.Process(pid).memory_info().rss > self.memory_limit_mb * 2**20
        except psutil.Error:
            return False

    def kill(self) -> None:
        """End the child at once; this does not count as a crash."""
        with self._lock:
            process, connection = self._process, self._connection
            self._process = self._connection = None
            replies, self._replies = self._replies, {}
        if process is not None:
            process.kill()
            process.join(2.0)
        if connection is not None:
            connection.close()
        for reply in replies.values():
            reply.deliver(Failure(reply._id, ProcessCrashed(f"The {self.name} was ended.")))

    def close(self, grace_s: float = 2.0) -> None:
        """Let the child close its service and end it, by force after `grace_s` seconds."""
        self._stop_waiting.set()
        with self._lock:
            self._closed = True
            process = self._process
            if process is None or self._connection is None:
                return
            try:
                self._send(None)
            except OSError:
                logger.info("%s: already gone", self.name)
        process.join(grace_s)
        self.kill()

    def _send(self, message: Request | Cancel | None) -> None:
        if self._connection is not None:
            self._connection.send(message)

    def _back_off(self) -> float:
        """Return for how many seconds a restart has to wait; raises ProcessError after too many crashes in a row."""
        with self._lock:
            now = time.monotonic()
            self._crashes = [at for at in self._crashes if now - at < CRASH_MEMORY_S]
            if self._connection is not None or not self._crashes:
                return 0.0
            if len(self._crashes) >= CRASHES_IN_A_ROW:
                raise ProcessError(
                    f"The {self.name} has crashed {len(self._crashes)} times in a row: "
                    "wait a minute and try again, or restart Hola."
                )
            back_off = min(FIRST_BACK_OFF_S * 2 ** (len(self._crashes) - 1), LONGEST_BACK_OFF_S)
            wait_s: float = self._crashes[-1] + back_off - now
            return wait_s

    def _spawn(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=serve,
            args=(self.name, theirs, self._factory, self._arguments, self._log_file, self._niceness),
            name=f"hola {self.name}",
        )
        try:
            process.start()
        except OSError as exc:
            raise ProcessError(
                f"The {self.name} can't be started ({exc.strerror}): close other programs and try again."
            ) from exc
        finally:
            theirs.close()
        self._process, self._connection = process, ours
        threading.Thread(target=self._dispatch, args=(process, ours), name=f"{self.name} replies", daemon=True).start()

    def _dispatch(self, process: multiprocessing.process.BaseProcess, connection: Connection) -> None:
        """Hand each message of one child to the reply that waits for it, until the child ends."""
        while True:
            try:
                message = connection.recv()
            except (EOFError, OSError):
                break
            with self._lock:
                reply = self._replies.get(message.request_id)
                if not isinstance(message, Occurred):
                    self._replies.pop(message.request_id, None)
                    self._crashes.clear()
            if reply is not None:
                reply.deliver(message)
        process.join(2.0)
        self._bury(process)

    def _bury(self, process: multiprocessing.process.BaseProcess) -> None:
        with self._lock:
            if self._process is not process:
                return
            if self._connection is not None:
                self._connection.close()
            self._process = self._connection = None
            replies, self._replies = self._replies, {}
            if not self._closed:
                self._crashes.append(time.monotonic())
        reason = describe_exit(process.exitcode)
        if not self._closed:
            logger.warning("%s (pid %s) %s", self.name, process.pid, reason)
        for reply in replies.values():
            error: HolaError = ProcessCrashed(f"The {self.name} {reason}. It starts again by itself: try once more.")
            reply.deliver(Failure(reply._id, error))


def _close_all() -> None:
    for child in list(_children):
        child.close(0.5)


# Registered after multiprocessing's own handler, which waits for children, and so runs before it.
atexit.register(_close_all)
