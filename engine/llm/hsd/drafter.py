"""Tier 0 at work: n-gram matches, their acceptance, and the choice of what to draft from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.llm.hsd.acceptance import Acceptance
from engine.llm.hsd.choose import Choice, Option, choose
from engine.llm.hsd.ngram import Match, NgramIndex

__all__ = ["Draft", "NgramDrafter"]


@dataclass(frozen=True, slots=True)
class Draft:
    """Tokens to verify after the pending one."""

    tokens: tuple[int, ...]
    speed: float
    """Expected tokens per unit of T(1)."""


class NgramDrafter:
    """Follow one text, and propose how it goes on.

    Every token that comes is held against what would have been drafted for it, drafted or not: so the acceptance of a
    source is known at no cost while it is switched off, and it comes back as soon as it pays.
    """

    def __init__(self, prompt: Sequence[int], acceptance: Acceptance) -> None:
        self._index = NgramIndex(prompt)
        self._acceptance = acceptance
        self._matches = self._index.matches()

    @property
    def tokens(self) -> list[int]:
        """The text so far; not to be changed."""
        return self._index.tokens

    @property
    def matches(self) -> list[Match]:
        """Where the text stood earlier as it stands now."""
        return self._matches

    def append(self, token: int) -> None:
        """Take in the next token, and learn from it."""
        tokens = self._index.tokens
        for match in self._matches:
            self._acceptance.observe(match.source, match.length, tokens[match.start] == token)
        self._index.append(token)
        self._matches = self._index.matches()

    def options(self, limit: int) -> list[Option]:
        """Return one option per match, in their order."""
        return [Option(self._acceptance.survival(match.source, match.length, limit)) for match in self._matches]

    def propose(self, costs: Sequence[float], limit: int, *, replay: int = 0) -> Draft:
        """Return what to verify next; no tokens where plain decoding is expected to be as fast."""
        choice: Choice = choose(self.options(limit), costs, limit, replay=replay)
        if not choice.length:
            return Draft((), choice.speed)
        return Draft(tuple(self._index.draft(self._matches[choice.option], choice.length)), choice.speed)
