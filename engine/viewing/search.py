"""Searches the pages of a document for a cited text: its own page, the next where it goes on there, then the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from engine.viewing.match import Key, Run, find_parts, find_whole, fold, readings, share_of
from engine.viewing.protocol import Box, Locate, Located, Marks, Match

__all__ = ["Pages", "locate"]

SEARCH_S = 1.5
"""How long other pages are searched for a text that is not on its own, in seconds."""
TELLING_CHARACTERS = 24
"""A shorter text may stand on another page by chance."""
LEAST_SHARE = 0.5
"""A smaller part of a text is no find."""
WHOLE_SHARE = 0.95
"""So much of a text, in pieces, is all of it: two extractions put lines and cells in different orders."""


class Pages(Protocol):
    """The pages of a document, by their 1-based numbers."""

    @property
    def count(self) -> int:
        """How many there are."""

    def key(self, number: int, /) -> Key:
        """Return the folded text of a page."""

    def boxes(self, number: int, runs: Sequence[Run], /) -> tuple[Box, ...]:
        """Return the boxes of parts of a page's key, one for each line."""


def locate(pages: Pages, request: Locate, is_cancelled: Callable[[], bool]) -> Located:
    """Find a text; each way of looking for it is tried only if those before found nothing."""
    wanted = [folded for folded in (fold(reading).text for reading in readings(request.snippet)) if folded]
    home = min(max(1, request.page), pages.count)
    here = pages.key(home).text
    expected = request.position * len(here)
    match: Match = "whole"
    share = 1.0
    runs = _whole(wanted, here, expected)
    joined = here
    if not runs:
        joined += pages.key(home + 1).text if home < pages.count else ""
        runs = _whole(wanted, joined, expected)
    if not runs:
        runs, share = _parts(wanted, joined, expected)
        if share < WHOLE_SHARE:
            elsewhere = _elsewhere(pages, wanted, home, is_cancelled)
            if elsewhere is not None:
                return Located("moved", 1.0, (elsewhere,), pages.count)
            match = "part" if runs else "none"
    marks = _marks(pages, home, len(here), runs)
    if match == "whole" and marks[0].page != request.page:
        match = "moved"
    return Located(match, share, marks, pages.count)


def _whole(wanted: Sequence[str], text: str, expected: float) -> tuple[Run, ...]:
    found = (find_whole(reading, text, expected) for reading in wanted)
    return next(((run,) for run in found if run is not None), ())


def _parts(wanted: Sequence[str], text: str, expected: float) -> tuple[tuple[Run, ...], float]:
    """Return the parts of the reading of which most was found, and its share; nothing if that is too little."""
    tried = [(runs, share_of(runs, reading)) for reading in wanted if (runs := find_parts(reading, text, expected))]
    runs, share = max(tried, key=lambda each: each[1], default=((), 0.0))
    return (runs, share) if share >= LEAST_SHARE else ((), 0.0)


def _elsewhere(pages: Pages, wanted: Sequence[str], home: int, is_cancelled: Callable[[], bool]) -> Marks | None:
    """Look on the other pages, the nearest first, until the time for it is over."""
    if max(map(len, wanted), default=0) < TELLING_CHARACTERS:
        return None
    deadline = time.monotonic() + SEARCH_S
    for number in sorted(range(1, pages.count + 1), key=lambda each: abs(each - home)):
        if time.monotonic() > deadline or is_cancelled():
            return None
        runs = _whole(wanted, pages.key(number).text, 0.0) if number != home else ()
        if runs:
            return Marks(number, pages.boxes(number, runs))
    return None


def _marks(pages: Pages, home: int, boundary: int, runs: Sequence[Run]) -> tuple[Marks, ...]:
    """Return the boxes of runs in the keys of two pages, of which the second begins at the boundary."""
    first = [Run(run.start, min(run.end, boundary)) for run in runs if run.start < boundary]
    second = [Run(max(run.start, boundary) - boundary, run.end - boundary) for run in runs if run.end > boundary]
    found = [Marks(number, pages.boxes(number, part)) for number, part in ((home, first), (home + 1, second)) if part]
    return tuple(found)
