"""Tier 0: drafts by n-gram lookup in what the model has read and said.

Prompt lookup decoding (Saxena 2023), with dictionaries in place of a scan, so that a token costs O(1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["MATCH_LENGTHS", "Match", "NgramIndex", "Source"]

Source = Literal["prompt", "answer"]

MATCH_LENGTHS = (12, 8, 5, 3, 2, 1)
"""Lengths of the n-grams that are indexed; what is found is then extended backwards to its true length."""
LONGEST_MATCH = 64
"""Matches are told apart up to this length."""


@dataclass(frozen=True, slots=True)
class Match:
    """An earlier place where the text stood as it stands now."""

    source: Source
    length: int
    """Tokens before the place that equal the last tokens of the text, 1 to 64."""
    start: int
    """Index of the token that followed there: the first one to draft."""


class NgramIndex:
    """Find earlier occurrences of the last tokens; the prompt and the answer are indexed apart."""

    def __init__(self, prompt: Sequence[int] = ()) -> None:
        self.tokens: list[int] = []
        self._tables: dict[Source, dict[int, dict[tuple[int, ...], int]]] = {
            "prompt": {length: {} for length in MATCH_LENGTHS},
            "answer": {length: {} for length in MATCH_LENGTHS},
        }
        self._prompt_tokens = len(prompt)
        for token in prompt:
            self.append(token)

    def append(self, token: int) -> None:
        """Take in the next token of the text."""
        # What stood at the end until now has a follower from now on: it can be found.
        tokens = self.tokens
        end = len(tokens)
        if end:
            tables = self._tables["prompt" if end < self._prompt_tokens else "answer"]
            for length in MATCH_LENGTHS:
                if length <= end:
                    tables[length][tuple(tokens[end - length : end])] = end
        tokens.append(token)

    def matches(self) -> list[Match]:
        """Return the longest match in each source, the most recent one where several are as long."""
        found = []
        for source, tables in self._tables.items():
            start = self._find(tables)
            if start:
                found.append(Match(source, self._length(start), start))
        return found

    def draft(self, match: Match, count: int) -> list[int]:
        """Return `count` tokens that followed at a match; past the end of the text the period repeats."""
        drafted = self.tokens[match.start : match.start + count]
        period = len(self.tokens) - match.start
        while len(drafted) < count:
            drafted.append(drafted[len(drafted) - period])
        return drafted

    def _find(self, tables: dict[int, dict[tuple[int, ...], int]]) -> int:
        tokens = self.tokens
        end = len(tokens)
        for length in MATCH_LENGTHS:
            if length <= end:
                start = tables[length].get(tuple(tokens[end - length : end]))
                if start is not None:
                    return start
        return 0

    def _length(self, start: int) -> int:
        """Return how many tokens before `start` equal the last ones."""
        tokens = self.tokens
        end = len(tokens)
        longest = min(start, LONGEST_MATCH)
        length = 0
        while length < longest and tokens[start - 1 - length] == tokens[end - 1 - length]:
            length += 1
        return length
