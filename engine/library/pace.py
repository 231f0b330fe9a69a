"""How much of the machine the index job may take right now."""

from __future__ import annotations

import time

__all__ = ["Pace"]

REST_PER_WORK = 4.0
"""While an answer is made, the job rests four times as long as it works: a fifth of the embedder's rate."""


class Pace:
    """Set by requests, asked by the job between two batches."""

    def __init__(self, paused: bool) -> None:
        self.paused = paused
        self._answering = False
        self._rest_until = 0.0

    def answering(self, on: bool) -> None:
        """An answer begins or ends; there is one at a time, so what was told last holds."""
        self._answering = on
        if not on:
            self._rest_until = 0.0

    def worked(self, seconds: float) -> None:
        """Note how long a step took, in seconds."""
        if self._answering:
            self._rest_until = time.monotonic() + REST_PER_WORK * seconds

    @property
    def holds(self) -> bool:
        """Whether the job is to wait."""
        return self.paused or time.monotonic() < self._rest_until
