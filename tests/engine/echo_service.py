"""A service for the tests of the supervised process; imported by the child."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.errors import LibraryError
from engine.service import IDLE, CancelToken

__all__ = ["EchoService"]


class EchoService:
    """Do what a request of (verb, argument) says."""

    def __init__(self, marker: Path | None = None) -> None:
        self._marker = marker
        self._log: list[str] = []
        self._hoard: list[bytes] = []

    def handle(self, request: Any, cancel: CancelToken) -> Iterator[Any]:
        verb, argument = request
        self._log.append(verb)
        yield from getattr(self, f"do_{verb}")(argument, cancel)

    def close(self) -> None:
        if self._marker is not None:
            self._marker.write_text("closed", "utf-8")

    def do_count(self, upto: int, _cancel: CancelToken) -> Iterator[int]:
        yield from range(upto)

    def do_forever(self, _argument: object, cancel: CancelToken) -> Iterator[Any]:
        number = 0
        while not cancel.cancelled:
            yield number
            number += 1
            time.sleep(0.001)
        yield "ended"

    def do_wait_for(self, file: Path, cancel: CancelToken) -> Iterator[Any]:
        while not file.exists() and not cancel.cancelled:
            yield IDLE
        yield "seen"

    def do_log(self, _argument: object, _cancel: CancelToken) -> Iterator[Any]:
        yield tuple(self._log)

    def do_signal(self, number: int, _cancel: CancelToken) -> Iterator[Any]:
        yield "before"
        os.kill(os.getpid(), number)
        signal.pause()

    def do_exit(self, code: int, _cancel: CancelToken) -> Iterator[Any]:
        yield from ()
        os._exit(code)

    def do_fail(self, sentence: str, _cancel: CancelToken) -> Iterator[Any]:
        yield "before"
        raise LibraryError(sentence)

    def do_defect(self, _argument: object, _cancel: CancelToken) -> Iterator[Any]:
        yield from ()
        raise KeyError("surprise")

    def do_print(self, text: str, _cancel: CancelToken) -> Iterator[Any]:
        os.write(1, text.encode())
        print(text, file=sys.stderr, flush=True)
        yield "printed"

    def do_sleep(self, seconds: float, _cancel: CancelToken) -> Iterator[Any]:
        yield "asleep"
        time.sleep(seconds)

    def do_hoard(self, megabytes: int, cancel: CancelToken) -> Iterator[Any]:
        self._hoard.append(os.urandom(2**20) * megabytes)
        yield "hoarded"
        while not cancel.cancelled:
            yield IDLE

    def do_pid(self, _argument: object, _cancel: CancelToken) -> Iterator[Any]:
        yield os.getpid()
