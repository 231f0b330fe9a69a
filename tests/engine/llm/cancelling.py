"""A cancel that comes while llama.cpp computes."""

from __future__ import annotations

from engine.service import CancelToken

__all__ = ["CancelledMidway"]


class CancelledMidway(CancelToken):
    """Is cancelled after it was asked a number of times: once per node of the graph."""

    def __init__(self, looks: int) -> None:
        self._left = looks

    @property
    def cancelled(self) -> bool:
        self._left -= 1
        return self._left < 0

    @cancelled.setter
    def cancelled(self, value: bool) -> None:
        raise AssertionError("it is cancelled by being asked, by nobody else")
