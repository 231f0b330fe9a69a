"""Merges the boxes of characters into one box for each line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Glyph", "Rectangle", "lines_of"]

SAME_LINE = 0.4
"""Characters stand on one line if they share so much of the lower one's height."""
WIDEST_GAP = 2.0
"""A wider gap between two characters, in heights of the line, leads to another column or line."""

Rectangle = tuple[float, float, float, float]
"""Left, top, right and bottom of a box on the page as it is shown; all in one unit, from the page's top left."""


@dataclass(frozen=True, slots=True)
class Glyph:
    """A character on the page."""

    box: Rectangle
    sideways: bool
    """Whether its line runs up or down the page."""


def lines_of(glyphs: Iterable[Glyph]) -> tuple[Rectangle, ...]:
    """Return a box for each line that the characters make up, in their order."""
    lines: list[Rectangle] = []
    sideways = False
    last: Rectangle | None = None
    for glyph in glyphs:
        # A line that runs up or down is merged as if the page lay on its side.
        box = _turned(glyph.box) if glyph.sideways else glyph.box
        goes_on = last is not None and glyph.sideways == sideways and _goes_on(lines[-1], last, box)
        last = box
        if goes_on:
            lines[-1] = _around(lines[-1], box)
            continue
        if lines and sideways:
            lines[-1] = _turned(lines[-1])
        lines.append(box)
        sideways = glyph.sideways
    if lines and sideways:
        lines[-1] = _turned(lines[-1])
    return tuple(lines)


def _goes_on(line: Rectangle, last: Rectangle, box: Rectangle) -> bool:
    """Tell whether a character stands beside the last one of a line, before or after it."""
    shared = min(line[3], box[3]) - max(line[1], box[1])
    lower = min(line[3] - line[1], box[3] - box[1])
    gap = max(last[0], box[0]) - min(last[2], box[2])
    return shared >= SAME_LINE * lower and gap <= WIDEST_GAP * (line[3] - line[1])


def _around(first: Rectangle, second: Rectangle) -> Rectangle:
    return (
        min(first[0], second[0]),
        min(first[1], second[1]),
        max(first[2], second[2]),
        max(first[3], second[3]),
    )


def _turned(box: Rectangle) -> Rectangle:
    return box[1], box[0], box[3], box[2]
