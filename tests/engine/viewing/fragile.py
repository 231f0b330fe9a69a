"""Services of a viewer process that does not survive a request."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

from engine.service import CancelToken, Service


class CrashingService:
    """Die of each request, or never answer it."""

    def handle(self, request: Any, cancel: CancelToken) -> Iterator[Any]:
        yield from ()
        if "hangs" in request.path:
            # Ended from outside long before.
            time.sleep(120)
        os.abort()

    def close(self) -> None:
        """Nothing to do."""


def crashing() -> Service:
    return CrashingService()
