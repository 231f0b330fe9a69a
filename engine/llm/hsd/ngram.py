"""Tier 0: drafts by n-gram lookup in what the model has read and said.

Prompt lookup decoding (Saxena 2023), with dictionaries in place of a scan, so that a token costs O(1). Three sources:
the prompt (passages and history among it), the answer so far, and the place where a copy broke off: text that was
edited goes on near where it was left, which a single matching token shows there, but nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["AGREED", "LONGEST_MATCH", "MATCH_LENGTHS", "MIXED", "SINGLE", "Match", "NgramIndex", "Source"]

Source = Literal["prompt", "answer", "resumed"]

MATCH_LENGTHS = (8, 5, 3, 2, 1)
"""Lengths of the n-grams that are indexed; what is found is then extended backwards to its true length."""
LONGEST_MATCH = 64
"""Matches are told apart up to this length."""
COPY_LENGTH = 5
"""A match of this length that goes wrong is a copy that broke off."""
RESUME_WITHIN = 12
"""Tokens after the break in which the copy may go on."""
REACH_BACK, REACH_AHEAD = 3, 10
"""Where it may go on: tokens before the break, and beyond as many tokens after it as were said since."""
MIXED, SINGLE, AGREED = 0, 1, 2
"""What the earlier occurrences say of the next token: different things, one thing once, the same thing each time."""


@dataclass(frozen=True, slots=True)
class Match:
    """An earlier place where the text stood as it stands now."""

    source: Source
    length: int
    """Tokens before the place that equal the last tokens of the text, 1 to 64."""
    start: int
    """Index of the token that followed there: the first one to draft."""
    support: int = SINGLE
    """MIXED, SINGLE or AGREED."""


@dataclass(slots=True)
class _Seen:
    """The occurrences of one n-gram."""

    start: int
    support: int = SINGLE


class NgramIndex:
    """Find earlier occurrences of the last tokens; the prompt and the answer are indexed apart."""

    def __init__(self, prompt: Sequence[int] = ()) -> None:
        self.tokens: list[int] = []
        self._tables: dict[Source, dict[int, dict[tuple[int, ...], _Seen]]] = {
            "prompt": {length: {} for length in MATCH_LENGTHS},
            "answer": {length: {} for length in MATCH_LENGTHS},
        }
        self._prompt_tokens = len(prompt)
        self._break = -1
        self._since = 0
        for token in prompt:
            self._index(token)

    def append(self, token: int, expected: Match | None = None) -> None:
        """Take in the next token; `expected` is the best match before it, whose failure may end a copy."""
        if self._break >= 0:
            self._since += 1
            if self._since > RESUME_WITHIN:
                self._break = -1
        if expected is not None and expected.length >= COPY_LENGTH:
            wrong = self.tokens[expected.start] != token
            self._break, self._since = (expected.start, 0) if wrong else (-1, 0)
        self._index(token)

    def matches(self) -> list[Match]:
        """Return the longest match in each source; the most recent one where several are as long."""
        found = [match for source in self._tables if (match := self._find(source)) is not None]
        if len(found) == 2:
            found = self._compared(found[0], found[1])
        resumed = self._resumed()
        if resumed is not None:
            found = [match for match in found if match.start != resumed.start] + [resumed]
        return found

    def draft(self, match: Match, count: int) -> list[int]:
        """Return `count` tokens that followed at a match; past the end of the text the period repeats."""
        drafted = self.tokens[match.start : match.start + count]
        period = len(self.tokens) - match.start
        while len(drafted) < count:
            drafted.append(drafted[len(drafted) - period])
        return drafted

    def _index(self, token: int) -> None:
        # What stood at the end until now has a follower from now on: it can be found.
        tokens, end = self.tokens, len(self.tokens)
        tokens.append(token)
        tables = self._tables["prompt" if end < self._prompt_tokens else "answer"]
        for length in MATCH_LENGTHS:
            if not 0 < length <= end:
                continue
            table, key = tables[length], tuple(tokens[end - length : end])
            seen = table.get(key)
            if seen is None:
                table[key] = _Seen(end)
            else:
                same = tokens[seen.start] == token and seen.support != MIXED
                seen.start, seen.support = end, AGREED if same else MIXED

    def _find(self, source: Source) -> Match | None:
        tokens, end = self.tokens, len(self.tokens)
        for length, table in self._tables[source].items():
            if length <= end:
                seen = table.get(tuple(tokens[end - length : end]))
                if seen is not None:
                    return Match(source, self._length(seen.start), seen.start, seen.support)
        return None

    def _compared(self, one: Match, other: Match) -> list[Match]:
        """Let two sources support or contradict each other."""
        if self.tokens[one.start] == self.tokens[other.start]:
            return [replace(match, support=min(AGREED, match.support + 1)) for match in (one, other)]
        return [one, other]

    def _resumed(self) -> Match | None:
        """Return where a broken copy seems to go on: the longest match near the break, the closest of the longest."""
        if self._break < 0 or not self._since:
            return None
        straight = self._break + self._since
        best: tuple[int, int, int] | None = None
        for start in range(max(1, self._break - REACH_BACK), min(straight + REACH_AHEAD, len(self.tokens))):
            if self.tokens[start - 1] == self.tokens[-1]:
                length = self._length(start)
                best = max(best or (0, 0, 0), (length, -abs(start - straight), start))
        return Match("resumed", best[0], best[2]) if best is not None else None

    def _length(self, start: int) -> int:
        """Return how many tokens before `start` equal the last ones."""
        tokens, end = self.tokens, len(self.tokens)
        longest = min(start, LONGEST_MATCH)
        length = 0
        while length < longest and tokens[start - 1 - length] == tokens[end - 1 - length]:
            length += 1
        return length
