"""Marks on the text of an answer, and how they are followed through Markdown into what is shown of it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from app.markdown import CHIP, LINK_END

__all__ = ["Mark", "MarkKind", "Marks", "Run", "Trace", "marks_past_chips", "past_chips"]

MarkKind = Literal["drafted", "unsupported", "corrected"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A part of a text that is shown otherwise than the rest."""

    start: int
    """Offset in the text, in characters."""
    end: int
    """End offset, exclusive."""
    kind: MarkKind
    tip: str
    """What it means, as plain text."""


Run = tuple[str, tuple[Mark, ...]]
"""A piece of text with the marks that hold for all of it."""


class Marks:
    """The marks of one text, cut wherever one of them begins or ends."""

    def __init__(self, marks: Iterable[Mark] = ()) -> None:
        begins: dict[int, list[Mark]] = defaultdict(list)
        edges: set[int] = set()
        for mark in marks:
            if mark.start < mark.end:
                begins[mark.start].append(mark)
                edges |= {mark.start, mark.end}
        self._cuts = sorted(edges)
        self._held: list[tuple[Mark, ...]] = []
        held: tuple[Mark, ...] = ()
        for cut in self._cuts:
            held = (*(mark for mark in held if mark.end > cut), *begins.get(cut, ()))
            self._held.append(held)

    def __bool__(self) -> bool:
        return bool(self._cuts)

    def pieces(self, start: int, end: int) -> Iterator[tuple[int, int, tuple[Mark, ...]]]:
        """Yield the pieces of a part of the text, with the marks of each."""
        first, last = bisect_right(self._cuts, start), bisect_left(self._cuts, end)
        for number, cut in enumerate((*self._cuts[first:last], end), first):
            yield start, cut, self._held[number - 1] if number else ()
            start = cut


class Trace:
    """Follow rendered text through its Markdown source and tell which marks it carries.

    Each piece must stand in the source behind the one before, with nothing but markup between them. Where one does
    not, the trace is lost: the rest counts as unmarked, rather than the wrong words as marked.
    """

    def __init__(self, source: str, marks: Marks, start: int = 0) -> None:
        self._source = source
        self._marks = marks
        self._place = start
        self._lost = False

    def take(self, piece: str) -> list[Run]:
        """Return the piece as runs, each with its marks."""
        place = -1 if self._lost else self._source.find(piece, self._place)
        if place < 0 or any(sign.isalpha() for sign in self._source[self._place : place]):
            self._lost = True
            return [(piece, ())]
        self._place = place + len(piece)
        return [(self._source[begin:end], marks) for begin, end, marks in self._marks.pieces(place, self._place)]

    def take_lines(self, text: str) -> list[Run]:
        """Return lines of code as runs; each may be indented further in the source."""
        runs: list[Run] = []
        for line in text.splitlines(keepends=True):
            words = line.rstrip("\n")
            runs += self.take(words) if words else []
            runs += [("\n", ())] if words != line else []
        return runs

    def pass_over(self, markup: str) -> None:
        """Go on behind something that is not shown as text."""
        place = self._source.find(markup, self._place)
        if place >= 0:
            self._place = place + len(markup)

    def pass_link(self) -> None:
        """Go on behind the destination of a link whose words were taken."""
        match = LINK_END.match(self._source, self._place)
        if match is not None:
            self._place = match.end()


# ---------------------------------------------------------------- chips


def past_chips(edges: Sequence[int], chipped: str) -> tuple[int, ...]:
    """Return offsets in an answer as they stand after chips were put into it."""
    places: list[int] = []
    added = [0]
    for chip in CHIP.finditer(chipped):
        places.append(chip.start() - added[-1])
        added.append(added[-1] + len(chip.group()))
    return tuple(edge + added[bisect_right(places, edge)] for edge in edges)


def marks_past_chips(marks: Sequence[Mark], chipped: str) -> tuple[Mark, ...]:
    """Return the marks of an answer as they stand after chips were put into it."""
    starts = past_chips([mark.start for mark in marks], chipped)
    ends = past_chips([mark.end for mark in marks], chipped)
    return tuple(replace(mark, start=start, end=end) for mark, start, end in zip(marks, starts, ends, strict=True))
