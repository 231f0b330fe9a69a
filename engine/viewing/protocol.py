"""What the window and the viewer process say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Box", "Draw", "Drawn", "Locate", "Located", "Marks", "Match"]

Match = Literal["whole", "moved", "part", "none"]
"""How well a text was found: on its page (and the next, where it goes on there); whole, but on another page than it was
on when the file was read; in part only; not at all."""


@dataclass(frozen=True, slots=True)
class Locate:
    """Find where a text stands on the pages of a PDF."""

    path: str
    """The PDF's absolute path."""
    page: int
    """1-based page on which the text begins."""
    snippet: str
    """The text, as it was extracted."""
    position: float
    """Where on the page it begins, as a share of the page's text, 0 to 1; tells equal texts on one page apart."""


@dataclass(frozen=True, slots=True)
class Draw:
    """Draw a page of a PDF."""

    path: str
    """The PDF's absolute path."""
    page: int
    """1-based."""
    width: int
    """Wanted width of the picture, in pixels; less is drawn where the picture would be too large."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on a page as it is shown, each side as a share of the page's width or height, from its top left."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Marks:
    """Where the text stands on one page."""

    page: int
    """1-based."""
    boxes: tuple[Box, ...]
    """One for each line, in the order of the text."""


@dataclass(frozen=True, slots=True)
class Located:
    """The answer to Locate."""

    match: Match
    share: float
    """How much of the text was found, 0 to 1; white space and hyphens don't count."""
    marks: tuple[Marks, ...]
    """In the order of the text; empty if it was not found."""
    pages: int
    """How many pages the PDF has."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """The answer to Draw: a picture of a page."""

    page: int
    """1-based."""
    pages: int
    """How many pages the PDF has."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""
    pixels: bytes
    """Rows from the top without gaps; four bytes a pixel: blue, green, red and one that means nothing."""
