"""What speculative decoding knows of a loaded model, and the account of one answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.llm.hsd.calibration import Calibration
from engine.llm.hsd.cost import CostCurve, observed
from engine.llm.hsd.draft_model import DraftModel, ModelDraft
from engine.llm.hsd.drafter import NgramDrafter, Outlook
from engine.messages import DraftTier, Sampling
from engine.service import CancelToken

__all__ = ["Account", "Proposal", "Speculation"]

UNIT_RATE = 0.1
"""Weight of one plain step in the running time of a single token."""
UNIT_AGE = 32
"""Drafted steps after which the time of a single token is too old to compare with."""
DISTURBED = 0.7
"""Share of the measured time of a single token below which the measurement is not believed any more."""
MOST_REPLAYED = 8
"""Rows to read again from which on a recurrent model commits them by a plain step, before they pile up."""
FAST_S = 0.002
"""A single token below which following the text at every token, about 0.1 ms, would be felt at once."""
LOOK_EVERY = 32
"""Tokens between two looks at the text of so fast a model, unless the last draft was of use."""
RESTS_AFTER, REST_LOOKS = 48, 4
"""Tokens without a useful draft after which any model looks at every fourth token only: four at once cost half."""
REDO_ROWS = 8
"""Where the slope of the cost curve is taken for rows that are read again."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What to verify in one step."""

    tokens: tuple[int, ...] = ()
    """Empty: the pending token is decoded plainly."""
    made: ModelDraft | None = None
    """Where they came from; None for n-grams."""


@dataclass(slots=True)
class Account:
    """What the drafts of one answer cost and brought."""

    said: int = 0
    """Tokens after the first one."""
    drafted: int = 0
    accepted: int = 0
    draft_steps: int = 0
    spent: float = 0.0
    """Time by the cost curve, in units of T(1)."""
    by_ngram: bool = False
    """Whether n-gram drafts were among those verified, screened or not."""
    by_model: bool = False

    @property
    def speedup(self) -> float:
        """Against plain decoding, by the cost curve."""
        return self.said / self.spent if self.spent else 1.0

    @property
    def tier(self) -> DraftTier:
        """Where the drafts came from."""
        if self.by_model:
            return "n-gram + draft model" if self.by_ngram else "draft model"
        return "n-gram" if self.by_ngram else "plain"


class Speculation:
    """The cost curve, the acceptance rates and the draft model of a model; all learn from every step."""

    def __init__(self, calibration: Calibration, *, recurrent: bool = False, draft: DraftModel | None = None) -> None:
        self._curve = calibration.curve
        self._most_rows = calibration.exact_rows
        self._recurrent = recurrent
        self._draft = draft
        self._outlook = Outlook(self._curve.ratios(self._most_rows))
        self._measured_s = self._curve.time(1)
        self._unit_s = 0.0
        self._unit_age = UNIT_AGE
        self._idle = 0
        """Tokens since a draft was of use."""
        self._unread: list[int] = []
        """Tokens that the drafter has not followed yet."""

    @property
    def curve(self) -> CostCurve:
        """The cost curve as it is now."""
        return self._curve

    def begin(self, prompt: Sequence[int], sampling: Sampling) -> NgramDrafter:
        """Begin an answer to a prompt."""
        self._idle = 0
        self._unread.clear()
        if self._draft is not None:
            self._draft.begin(len(prompt), sampling)
        return NgramDrafter(prompt, self._outlook)

    def end(self) -> None:
        """End an answer."""
        if self._draft is not None:
            self._draft.end()

    def close(self) -> None:
        """Free the draft model."""
        if self._draft is not None:
            self._draft.close()

    def follow(self, drafter: NgramDrafter, said: Sequence[int]) -> None:
        """Let the drafter follow what was said: at every token, or several at once where looking is dear."""
        self._unread.extend(said)
        if len(self._unread) < self._look_every:
            return
        if len(self._unread) >= LOOK_EVERY:
            drafter.skim(self._unread)
        else:
            for token in self._unread:
                drafter.append(token)
        self._unread.clear()

    def propose(self, drafter: NgramDrafter, limit: int, left: int, replay: int, cancel: CancelToken) -> Proposal:
        """Return what to verify next: at most `limit` tokens, while `left` may still be said.

        The tiers: n-grams go straight to the target where they gain most; else the draft model drafts, and what n-grams
        propose reaches the target only as far as the draft model agrees.
        """
        if limit < 1 or replay > MOST_REPLAYED:
            return Proposal()
        if self._unread:
            return Proposal()
        ngram, gain = drafter.propose(limit, replay=replay, redo=self._redo if self._recurrent else 0.0)
        if self._draft is None or replay:
            return Proposal(ngram)
        length = self._draft.pays(drafter.text, self._outlook.costs, gain, limit, left)
        if not length:
            return Proposal(ngram)
        made = self._draft.draft(drafter.text, drafter.likely(length), length, self._outlook.costs, cancel)
        return Proposal(made.tokens, made)

    def seconds(self, rows: int) -> float:
        """Return how long a decode of so many rows takes, about."""
        return self._curve.time(rows)

    def record(self, account: Account, proposal: Proposal, rows: int, said: Sequence[int], accepted: int) -> None:
        """Enter a step of so many rows into the account of the answer, and learn from it."""
        drafted, made = len(proposal.tokens), proposal.made
        account.said += len(said)
        account.drafted += drafted
        account.accepted += accepted
        account.draft_steps += drafted > 0
        account.spent += self._curve.ratio(rows) + (made.cost if made is not None else 0.0)
        account.by_ngram |= drafted > 0 and (made is None or made.screened > 0)
        account.by_model |= drafted > 0 and made is not None
        self._idle = 0 if accepted else self._idle + len(said)
        if self._draft is not None and made is None:
            self._draft.rest(len(said))
        elif self._draft is not None and made is not None:
            self._draft.learn(made, said)

    def time(self, rows: int, seconds: float) -> None:
        """Learn how long a decode of so many rows took."""
        if rows == 1:
            self._unit_s += (UNIT_RATE if self._unit_s else 1.0) * (seconds - self._unit_s)
            self._unit_age = 0
        elif self._unit_age < UNIT_AGE:
            self._unit_age += 1
            self._curve = observed(self._curve, rows, seconds, self._unit_s)
            self._outlook.costs = self._curve.ratios(self._most_rows)

    @property
    def _look_every(self) -> int:
        """Tokens between two looks at the text: a look costs the same, whatever a token does."""
        if self._idle and (self._unit_s or self._measured_s) < FAST_S:
            return LOOK_EVERY
        return REST_LOOKS if self._idle >= RESTS_AFTER else 1

    @property
    def was_disturbed(self) -> bool:
        """Whether single tokens are much faster now than when the curve was measured: the machine was busy then."""
        return 0.0 < self._unit_s < DISTURBED * self._measured_s

    @property
    def _redo(self) -> float:
        """Time to read one row again, in units of T(1)."""
        return (self._curve.ratio(REDO_ROWS) - 1.0) / (REDO_ROWS - 1)
