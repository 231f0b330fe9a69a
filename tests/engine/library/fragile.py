"""The parser with files that end, stop or bloat it, as hostile documents do with native code."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.indexing.parser import Begun, Parsed, ParserService
from engine.service import CancelToken

__all__ = ["FragileParser", "StillbornParser"]


class FragileParser(ParserService):
    """Do what the beginning of a file's name says: "crash", "crash-once", "hang" or "hoard"."""

    def handle(self, request: Any, cancel: CancelToken) -> Iterator[Begun | Parsed]:
        for event in super().handle(request, cancel):
            yield event
            if isinstance(event, Begun):
                _misbehave(request.path)


class StillbornParser(ParserService):
    """End before any file is in hand."""

    def handle(self, request: Any, cancel: CancelToken) -> Iterator[Begun | Parsed]:
        os.kill(os.getpid(), signal.SIGKILL)
        yield from super().handle(request, cancel)


def _misbehave(file: Path) -> None:
    if file.name.startswith("crash-once"):
        marker = file.with_name(f".{file.name}")
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    elif file.name.startswith("crash"):
        os.kill(os.getpid(), signal.SIGABRT)
    elif file.name.startswith("hang"):
        signal.pause()
    elif file.name.startswith("hoard"):
        hoard = bytearray(400 * 2**20)
        signal.pause()
        del hoard
