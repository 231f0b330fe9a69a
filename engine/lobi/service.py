"""What runs in the process that makes versions of models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.lobi.apply import make
from engine.service import CancelToken

__all__ = ["LobiService"]


class LobiService:
    """Answer MakeVersion by Step after Step, and Made."""

    def handle(self, request: Any, cancel: CancelToken) -> Iterator[Any]:
        """Answer a request by events."""
        yield from make(request, lambda: cancel.cancelled)

    def close(self) -> None:
        """Hold nothing."""
