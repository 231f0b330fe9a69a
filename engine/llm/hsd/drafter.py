"""Tier 0 at work: n-gram matches, their acceptance, and the choice of what to draft from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from engine.llm.hsd.acceptance import Acceptance
from engine.llm.hsd.choose import Choice, Option, choose, worth
from engine.llm.hsd.ngram import Match, NgramIndex, Source

__all__ = ["NgramDrafter", "Outlook"]

Floats = npt.NDArray[np.float64]
NOTHING = Choice(-1, 0)
NARROW = 16
"""Limits below are planned for by themselves."""
WORTH_SCREENING = 0.5
"""Survival of a token from which on a draft model reads it in a batch: half of what saying it itself would cost."""
STALE_AFTER = 96
"""Observations after which survival and worth are computed anew: they move slowly, and cost 0.3 ms."""


@dataclass(slots=True)
class _Table:
    """Survival and worth of one source and support, long enough for any draft from any match length."""

    made: int
    """Tokens observed until then."""
    ladder: Floats
    """Sums of the logarithms of the hazards from match length 1 on."""
    worth: Floats
    """J(1), J(2), ..."""
    plans: dict[tuple[int, int, float], Choice] = field(default_factory=dict)
    """The best draft by match length, limit, and what it costs to read a row again."""


class Outlook:
    """What drafting from a source is expected to bring on one machine: survival and worth by match length.

    Learns from every token of every answer; `costs` may change as the machine does.
    """

    def __init__(self, costs: Floats) -> None:
        self.costs = costs
        self._acceptance = Acceptance()
        self._tables: dict[tuple[Source, int], _Table] = {}
        self._seen = 0

    def observe(self, match: Match, right: bool) -> None:
        """Learn whether the token after a match was right."""
        self._acceptance.observe(match, right)
        self._seen += 1

    def option(self, match: Match, cost: float = 0.0) -> Option:
        """Return what drafting from a match would bring."""
        table = self._table(match)
        at = match.length - 1
        survival = np.exp(table.ladder[at + 1 :] - table.ladder[at])[: len(self.costs)]
        return Option(survival, table.worth[at + 1 :], cost)

    def plan(self, match: Match, limit: int, *, replay: int = 0, redo: float = 0.0) -> Choice:
        """Return the best draft from a match, as `choose` does; remembered, since it is asked at every token."""
        if replay:
            return choose([self.option(match)], self.costs, limit, replay=replay, redo=redo)
        # Towards the end of an answer the limit changes with every token: the plan for no limit is then cut off.
        limit = limit if limit < NARROW else len(self.costs)
        plans, key = self._table(match).plans, (match.length, limit, round(redo, 1))
        plan = plans.get(key)
        if plan is None:
            plan = plans[key] = choose([self.option(match)], self.costs, limit, redo=redo)
        return plan

    def _table(self, match: Match) -> _Table:
        key = (match.source, match.support)
        table = self._tables.get(key)
        if table is None or self._seen - table.made >= STALE_AFTER:
            hazards = self._acceptance.hazards(*key)
            longer = np.full(len(self.costs) + 1, hazards[-1])
            ladder = np.concatenate(([0.0], np.cumsum(np.log(np.concatenate((hazards, longer))))))
            known = worth(hazards, self.costs)
            longest = np.full(len(longer) + 1, known[-1])
            table = self._tables[key] = _Table(self._seen, ladder, np.concatenate((known, longest)))
        return table


class NgramDrafter:
    """Follow one text, and propose how it goes on.

    Every token that comes is held against what would have been drafted for it, drafted or not: so the acceptance of a
    source is known at no cost while it is switched off, and it comes back as soon as it pays.
    """

    def __init__(self, prompt: Sequence[int], outlook: Outlook) -> None:
        self._index = NgramIndex(prompt)
        self._outlook = outlook
        self._matches = self._index.matches()

    @property
    def text(self) -> list[int]:
        """Prompt and answer so far; not to be changed."""
        return self._index.tokens

    def append(self, token: int) -> None:
        """Take in the next token, and learn from it."""
        tokens = self._index.tokens
        for match in self._matches:
            self._outlook.observe(match, tokens[match.start] == token)
        self._index.append(token, max(self._matches, key=lambda match: match.length, default=None))
        self._matches = self._index.matches()

    def skim(self, tokens: Sequence[int]) -> None:
        """Take in several tokens, and learn from the first one only: a fifth of the work."""
        self.append(tokens[0])
        for token in tokens[1:]:
            self._index.append(token)
        self._matches = self._index.matches()

    def likely(self, count: int) -> list[int]:
        """Return how the longest match goes on, as far as it is likely right, for a draft model to screen."""
        longest = max(self._matches, key=lambda match: match.length, default=None)
        if longest is None:
            return []
        certain = int((self._outlook.option(longest).survival >= WORTH_SCREENING).sum())
        return self._index.draft(longest, min(count, certain))

    def propose(self, limit: int, *, replay: int = 0, redo: float = 0.0) -> tuple[tuple[int, ...], float]:
        """Return what to verify next, and its expected gain in tokens; nothing where plain decoding is as fast."""
        if limit < 1 or not self._matches:
            return (), 0.0
        best, source = NOTHING, self._matches[0]
        for match in self._matches:
            plan = self._outlook.plan(match, limit, replay=replay, redo=redo)
            if plan.value > best.value:
                best, source = plan, match
        if not best.length:
            return (), 0.0
        return tuple(self._index.draft(source, min(best.length, limit))), best.gain
