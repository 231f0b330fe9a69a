"""What speculative decoding knows of a loaded model, and the account of one answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.llm.hsd.calibration import Calibration
from engine.llm.hsd.cost import CostCurve, observed
from engine.llm.hsd.drafter import NgramDrafter, Outlook

__all__ = ["Account", "Speculation"]

UNIT_RATE = 0.1
"""Weight of one plain step in the running time of a single token."""
UNIT_AGE = 32
"""Drafted steps after which the time of a single token is too old to compare with."""
MOST_REPLAYED = 8
"""Rows to read again from which on a recurrent model commits them by a plain step, before they pile up."""
REDO_ROWS = 8
"""Where the slope of the cost curve is taken for rows that are read again."""


@dataclass(slots=True)
class Account:
    """What the drafts of one answer cost and brought."""

    steps: int = 0
    """Decodes after the prefill."""
    said: int = 0
    """Tokens that they gave."""
    drafted: int = 0
    accepted: int = 0
    draft_steps: int = 0
    spent: float = 0.0
    """Time by the cost curve, in units of T(1)."""

    @property
    def speedup(self) -> float:
        """Against plain decoding, by the cost curve."""
        return self.said / self.spent if self.spent else 1.0


class Speculation:
    """The cost curve and the acceptance rates of a model; both learn from every step."""

    def __init__(self, calibration: Calibration, *, recurrent: bool = False) -> None:
        self._curve = calibration.curve
        self._most_rows = min(calibration.exact_rows, calibration.curve.widest)
        self._recurrent = recurrent
        self._outlook = Outlook(self._curve.ratios(self._most_rows))
        self._unit_s = 0.0
        self._unit_age = UNIT_AGE

    @property
    def curve(self) -> CostCurve:
        """The cost curve as it is now."""
        return self._curve

    def follow(self, prompt: Sequence[int]) -> NgramDrafter:
        """Begin an answer to a prompt."""
        return NgramDrafter(prompt, self._outlook)

    def propose(self, drafter: NgramDrafter, limit: int, replay: int) -> tuple[int, ...]:
        """Return what to verify next; nothing decodes the pending token plainly."""
        if replay > MOST_REPLAYED:
            return ()
        return drafter.propose(limit, replay=replay, redo=self._redo if self._recurrent else 0.0)

    def seconds(self, rows: int) -> float:
        """Return how long a decode of so many rows takes, about."""
        return self._curve.time(rows)

    def record(self, account: Account, rows: int, drafted: int, said: int, accepted: int, seconds: float) -> None:
        """Learn from a step, and enter it into the account of the answer."""
        account.steps += 1
        account.said += said
        account.drafted += drafted
        account.accepted += accepted
        account.draft_steps += drafted > 0
        account.spent += self._curve.ratio(rows)
        if rows == 1:
            self._unit_s += (UNIT_RATE if self._unit_s else 1.0) * (seconds - self._unit_s)
            self._unit_age = 0
        elif self._unit_age < UNIT_AGE:
            self._unit_age += 1
            self._curve = observed(self._curve, rows, seconds, self._unit_s)
            self._outlook.costs = self._curve.ratios(self._most_rows)

    @property
    def _redo(self) -> float:
        """Time to read one row again, in units of T(1)."""
        return (self._curve.ratio(REDO_ROWS) - 1.0) / (REDO_ROWS - 1)
