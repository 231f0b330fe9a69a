"""The conductor's side of the process that makes versions of models; whatever happens, the old model stays as it is."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import LobiError
from engine.lobi.messages import STOPPED, Made, MakeVersion, MeasureFront, Step, Wish
from engine.process import ChildProcess
from engine.service import Service

if TYPE_CHECKING:
    from engine.lobi.allocate import Allocation

__all__ = ["Workshop"]

logger = logging.getLogger(__name__)

NICENESS = 10
WATCH_S = 0.25
PREFIX = "lobi-"


def _make_service() -> Service:
    from engine.lobi.service import LobiService

    return LobiService()


class Workshop:
    """Make versions of models, one at a time, each in a process that ends with it."""

    def __init__(self, work: Path, log_file: Path | None = None) -> None:
        self._work = work
        self._log_file = log_file
        self._busy = threading.Lock()
        self._stopped = threading.Event()

    @property
    def is_busy(self) -> bool:
        """Whether a version is being made."""
        return self._busy.locked()

    def make(
        self,
        source: Path,
        target: Path,
        calibration: Path,
        *,
        plan: Path | None = None,
        wish: Wish | None = None,
        threads: int = 0,
        cache: Path | None = None,
    ) -> Iterator[Step | Made]:
        """Make a version: Step after Step, then Made; closing it, or `stop`, ends it and leaves nothing behind.

        Raises LobiError, ModelError or ProcessError with one sentence.
        """
        return self._events(lambda work: MakeVersion(source, target, work, calibration, plan, wish, threads, cache))

    def front(
        self, source: Path, calibration: Path, *, threads: int = 0, cache: Path | None = None
    ) -> Iterator[Step | tuple[Allocation, ...]]:
        """Measure the Pareto front of a model's versions: Step after Step, then all of it; ends as `make` does."""
        return self._events(lambda work: MeasureFront(source, work, calibration, threads, cache))

    def _events(self, request_in: Callable[[Path], Any]) -> Iterator[Any]:
        if not self._busy.acquire(blocking=False):
            raise LobiError("A model is being optimised already: wait until it is ready, or stop it.")
        self._stopped.clear()
        child = ChildProcess("optimising process", _make_service, log_file=self._log_file, niceness=NICENESS)
        work: Path | None = None
        try:
            self._sweep()
            work = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=self._work))
            reply = child.request(request_in(work))
            while not reply.finished:
                event = reply.poll(WATCH_S)
                if event is not None:
                    yield event
                if self._stopped.is_set():
                    raise LobiError(STOPPED)
        except OSError as exc:
            raise LobiError(
                f"The folder {self._work} can't be written ({exc.strerror}): make room, or check its permissions."
            ) from exc
        finally:
            # The process first: it writes into the folder, and quantizing can't be asked to end.
            child.kill()
            child.close()
            if work is not None:
                shutil.rmtree(work, ignore_errors=True)
            self._busy.release()

    def stop(self) -> None:
        """End what is being made; safe from any thread, and also in the moment before its first event."""
        if self.is_busy:
            self._stopped.set()

    def _sweep(self) -> None:
        """Remove what a program that was killed has left; another one that runs keeps its own."""
        import psutil

        self._work.mkdir(parents=True, exist_ok=True)
        for left in self._work.glob(f"{PREFIX}*-*"):
            owner = left.name.split("-")[1]
            if not owner.isdigit() or int(owner) == os.getpid() or not psutil.pid_exists(int(owner)):
                with suppress(OSError):
                    shutil.rmtree(left)
