"""Finds a text among the characters of a page, whatever became of white space, hyphens, ligatures and accents.

Both sides are folded to a key of letters, digits and signs; each character of a key remembers where it came from.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["Key", "Run", "find_parts", "find_whole", "fold", "readings", "share_of"]

SEED = 7
"""A part of a text is told by so many equal characters in a row."""
FEWEST_CHARACTERS = 10
"""A shorter part says nothing: it stands everywhere."""
MOST_PLACES = 64
"""Places at which a part is tried: dotted lines repeat without end."""
ROOM = 1.5
"""Parts lie within the length of the text, times this, before and after the longest part."""

_DROPPED = frozenset(["Mn", "Me", "Cc", "Cf", "Cn", "Cs", "Zs", "Zl", "Zp", "Pd", "Pi", "Pf"])
"""Categories that no key holds: accents and other marks, controls, soft hyphens, white space, dashes, quotes."""
_QUOTES = frozenset("'\"`´‚„")


@dataclass(frozen=True, slots=True)
class Key:
    """A folded text."""

    text: str
    places: Sequence[int]
    """For each character of `text`, the index of the character that it came from."""


@dataclass(frozen=True, slots=True)
class Run:
    """A part of a text that stands on the page without a gap."""

    start: int
    """Offset in the page's key, in characters."""
    end: int
    """End offset, exclusive."""

    @property
    def length(self) -> int:
        """How many characters of the key there are."""
        return self.end - self.start


@lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    if character in _QUOTES:
        return ""
    # Decomposed twice: the lower case of a letter may be a letter with a mark.
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return "".join(each for each in plain if unicodedata.category(each) not in _DROPPED)


def fold(characters: Iterable[str]) -> Key:
    """Return the key of a text, given by its characters."""
    kept: list[str] = []
    places: list[int] = []
    for place, character in enumerate(characters):
        for each in _fold_character(character):
            kept.append(each)
            places.append(place)
    return Key("".join(kept), places)


def readings(snippet: str) -> Iterator[str]:
    """Yield the text, and where it has words that run from right to left, its lines with the words turned round.

    Kreuzberg turns the words of such lines, and a page keeps them as they are read.
    """
    yield snippet
    if any(unicodedata.bidirectional(character) in ("R", "AL") for character in snippet):
        yield "\n".join(" ".join(reversed(line.split())) for line in snippet.split("\n"))


def find_whole(wanted: str, page: str, expected: float) -> Run | None:
    """Return the place of a key in the key of a page, the one nearest to the expected offset if there are several."""
    best: Run | None = None
    at = page.find(wanted) if wanted else -1
    while at >= 0:
        if best is None or abs(at - expected) < abs(best.start - expected):
            best = Run(at, at + len(wanted))
        elif at > expected:
            break
        at = page.find(wanted, at + 1)
    return best


def find_parts(wanted: str, page: str, expected: float) -> tuple[Run, ...]:
    """Return the parts of a key that stand near each other in the key of a page, in the order of the page.

    From left to right each part is the longest one that begins where the one before ended. The work grows with the
    length of both keys, not with their product.
    """
    seeds: dict[str, list[int]] = {}
    for at in range(len(page) - SEED + 1):
        places = seeds.setdefault(page[at : at + SEED], [])
        if len(places) < MOST_PLACES:
            places.append(at)
    parts: list[Run] = []
    at = 0
    while at + SEED <= len(wanted):
        near = parts[-1].end if parts else expected
        best = max(
            (Run(place, place + _common(wanted, at, page, place)) for place in seeds.get(wanted[at : at + SEED], ())),
            key=lambda run: (run.length, -abs(run.start - near)),
            default=None,
        )
        if best is not None and best.length >= FEWEST_CHARACTERS:
            parts.append(best)
            at += best.length
        else:
            at += 1
    return _near_the_longest(parts, len(wanted))


def share_of(parts: Iterable[Run], wanted: str) -> float:
    """Return how much of a key its parts make up, 0 to 1."""
    return min(1.0, sum(part.length for part in parts) / len(wanted)) if wanted else 0.0


def _common(wanted: str, at: int, page: str, place: int) -> int:
    """Return how many characters are equal from two offsets on."""
    most = min(len(wanted) - at, len(page) - place)
    length = 0
    while length < most and wanted[at + length] == page[place + length]:
        length += 1
    return length


def _near_the_longest(parts: Sequence[Run], length: int) -> tuple[Run, ...]:
    """Keep the parts around the longest one, without those that lie in another."""
    if not parts:
        return ()
    middle = max(parts, key=lambda part: part.length)
    room = ROOM * length
    kept: list[Run] = []
    for part in sorted(parts, key=lambda part: (part.start, -part.end)):
        if part.start < middle.start - room or part.end > middle.end + room:
            continue
        if kept and part.start < kept[-1].end:
            if part.end > kept[-1].end:
                kept.append(Run(kept[-1].end, part.end))
            continue
        kept.append(part)
    return tuple(kept)
