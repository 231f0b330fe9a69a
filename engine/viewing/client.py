"""The window's side of the page viewer. Imports nothing heavy: it lives in the window's process."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

from engine.errors import ProcessCrashed, ProcessTimeout, ViewerError
from engine.process import ChildProcess
from engine.service import Service
from engine.viewing.protocol import Draw, Drawn, Locate, Located

__all__ = ["PageViewer"]

logger = logging.getLogger(__name__)

LIMIT_S = 30.0
"""For one request, the start of the process included."""
MEMORY_LIMIT_MB = 1024
IDLE_S = 60.0
"""The process ends after so many seconds without a request."""
LONGEST_SNIPPET = 10_000
"""Characters of a text that are looked for."""


def _make_service() -> Service:
    from engine.viewing.service import ViewerService

    return ViewerService()


class PageViewer:
    """Draw pages of PDFs and find texts on them, in a process that starts when it is needed and ends when it is not.

    All methods may be called from any thread; requests are answered one after the other.
    """

    def __init__(self, log_file: Path | None = None, *, idle_s: float = IDLE_S, limit_s: float = LIMIT_S) -> None:
        self._child = ChildProcess("page viewer", _make_service, log_file=log_file, memory_limit_mb=MEMORY_LIMIT_MB)
        self._idle_s = idle_s
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._idle_timer: threading.Timer | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Process id of the running process, or None."""
        return self._child.pid

    def draw(self, path: str, page: int, width: int) -> Drawn:
        """Return a picture of a page (1-based), `width` pixels wide or less; raises ViewerError or ProcessError."""
        drawn: Drawn = self._ask(Draw(path, page, width))
        return drawn

    def locate(self, path: str, page: int, snippet: str, position: float) -> Located:
        """Find where a text stands that begins on a page (1-based); raises ViewerError or ProcessError.

        `position` is the share of the page's text before it, 0 to 1.
        """
        located: Located = self._ask(Locate(path, page, snippet[:LONGEST_SNIPPET], position))
        return located

    def close(self) -> None:
        """End the process at once; a request that runs fails."""
        self._closed = True
        self._child.close(grace_s=0.0)
        with self._lock:
            self._stop_timer()

    def _ask(self, request: Draw | Locate) -> Any:
        name = Path(request.path).name
        with self._lock:
            self._stop_timer()
            try:
                return self._child.request(request, timeout_s=self._limit_s).result()
            except ProcessTimeout as exc:
                logger.warning("the page viewer was ended at page %d of %s", request.page, request.path)
                raise ViewerError(
                    f"Page {request.page} of {name} takes too long or too much memory to draw: "
                    "open it in its own program."
                ) from exc
            except ProcessCrashed as exc:
                if self._closed:
                    raise
                logger.warning("the page viewer crashed at page %d of %s", request.page, request.path)
                raise ViewerError(
                    f"Page {request.page} of {name} can't be drawn: its content crashed the page viewer."
                ) from exc
            finally:
                self._start_timer()

    def _start_timer(self) -> None:
        if not self._closed:
            self._idle_timer = threading.Timer(self._idle_s, self._end_idle)
            self._idle_timer.daemon = True
            self._idle_timer.start()

    def _stop_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def _end_idle(self) -> None:
        """End the process; it holds nothing that would be lost."""
        with self._lock:
            # A request that came in between has stopped this timer, too late for it to notice.
            if self._idle_timer is threading.current_thread():
                self._child.kill()
                self._idle_timer = None
