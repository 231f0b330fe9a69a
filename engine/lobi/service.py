"""What runs in the process that measures models and makes versions of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.lobi.adapter import Plan
from engine.lobi.allocating import measured_front
from engine.lobi.apply import make
from engine.lobi.messages import MeasureFront
from engine.service import CancelToken

__all__ = ["LobiService"]


class LobiService:
    """Answer MakeVersion by Step after Step and Made, and MeasureFront by Step after Step and the front."""

    def handle(self, request: Any, cancel: CancelToken) -> Iterator[Any]:
        """Answer a request by events."""
        if isinstance(request, MeasureFront):
            front = yield from measured_front(
                request.source,
                Plan("", ""),
                request.calibration,
                request.work,
                threads=request.threads,
                cache=request.cache,
                is_cancelled=lambda: cancel.cancelled,
            )
            yield front
        else:
            yield from make(request, lambda: cancel.cancelled)

    def close(self) -> None:
        """Hold nothing."""
