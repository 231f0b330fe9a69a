"""Choose what to draft: the source and length that give the most tokens per unit of time.

A step that verifies k drafted tokens takes C(k + 1) and gives E(k) = 1 + S_1 + ... + S_k tokens: the accepted ones, and
one of the target's own (Leviathan et al. 2023, eq. 1, for survival that need not be geometric). Its gain over decoding
plainly is E(k) - C(k + 1), in tokens. Looking at one step alone drafts too early: after a short match it pays to
decode one token plainly and see whether the copy goes on, since a longer match makes a longer draft safe. So a copy is
a Markov decision process over its match length m; a step is worth its gain and what the copy is worth after it:

    J(m) = max over k >= 0 of  E(k) - C(k + 1) + S_{k+1} J(m + k + 1)

The last token of a step is the target's own; with probability S_{k+1} / S_k it goes on with the copy too. A copy that
broke off is worth nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Choice", "Option", "choose", "worth"]

Floats = npt.NDArray[np.float64]
LEAST_GAIN = 1e-9
"""Tokens: a draft must be better than none by more than rounding."""


@dataclass(frozen=True, slots=True)
class Option:
    """A draft that could be verified, whole or cut off after any token."""

    survival: Floats
    """S_1 ... S_{n+1}: the probabilities that the first i tokens are right; n is the longest draft."""
    worth: Floats
    """J after 1 ... n + 1 more matching tokens, in tokens; zeros where the future does not count."""
    cost: float = 0.0
    """Time per token that it takes to make the draft, in units of T(1)."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What to do in one step."""

    option: int
    """Index of the option; -1 decodes one token plainly."""
    length: int
    """Tokens to draft; 0 decodes one token plainly."""
    gain: float = 0.0
    """Expected tokens of this step alone over those of plain decoding in the same time: E(k) - C(k + 1)."""
    value: float = 0.0
    """The gain, and what the copy is worth after the step."""


def choose(options: Sequence[Option], costs: Floats, limit: int, *, replay: int = 0, redo: float = 0.0) -> Choice:
    """Return the option and length of the highest gain; plain decoding if none gains.

    Args:
        options: what could be drafted.
        costs: C(0) = 0, C(1) = 1, ... C(widest).
        limit: longest draft.
        replay: rows that precede the draft in the batch (recurrent models).
        redo: time per row that is read again after a rejection (recurrent models), in units of T(1).
    """
    best = Choice(-1, 0)
    most = min(limit, len(costs) - 2 - replay)
    for index, option in enumerate(options):
        longest = min(most, len(option.survival) - 1)
        if longest < 1:
            continue
        gains = _gains(option, costs[1 + replay :], longest, redo, replay)
        total = gains + option.survival[: longest + 1] * option.worth[: longest + 1]
        # Length 0 is among them: to wait for a longer match of this option can be better than to draft another one.
        length = int(total.argmax())
        if total[length] > best.value + LEAST_GAIN:
            best = Choice(index if length else -1, length, float(gains[length]), float(total[length]))
    return best


def _gains(option: Option, costs: Floats, longest: int, redo: float, replay: int) -> Floats:
    """Return E(k) - C(k + 1) for k = 0 ... longest, less what drafting costs."""
    alive = option.survival[: longest + 1]
    lengths = np.arange(longest + 1)
    expected = np.concatenate(([1.0], 1.0 + np.cumsum(alive[:longest])))
    spent = costs[: longest + 1] - costs[0] + 1.0 + option.cost * lengths
    if redo:
        # Rejected after exactly a accepted tokens: a + 1 rows, and those replayed already, are read again.
        before = np.concatenate(([1.0], alive[: longest - 1]))
        again = (before - alive[:longest]) * (lengths[:longest] + 1 + replay)
        spent += redo * np.concatenate(([0.0], np.cumsum(again)))
    gains: Floats = expected - spent
    return gains


def worth(hazards: Floats, costs: Floats) -> Floats:
    """Return J(1) ... J(n): what a copy is worth at each match length, in tokens; J(n) holds beyond n.

    Args:
        hazards: a(1) ... a(n): the probability that the next token is right at each match length.
        costs: C(0) = 0, C(1) = 1, ... C(widest).
    """
    n, most = len(hazards), len(costs) - 2
    ladder = np.concatenate(([0.0], np.cumsum(np.log(np.concatenate((hazards, np.full(most + 1, hazards[-1])))))))
    # S[m, k]: probability that k tokens after a match of length m + 1 are right.
    alive = np.exp(ladder[np.arange(n)[:, None] + np.arange(most + 2)[None, :]] - ladder[:n, None])
    expected = np.cumsum(alive[:, : most + 1], axis=1)
    step = expected - costs[1 : most + 2]
    onward = alive[:, 1 : most + 2]
    result = np.zeros(n + most + 1)
    # At the longest length the copy stays there: J = max step / (1 - onward).
    result[n - 1 :] = max(0.0, float((step[-1] / (1.0 - onward[-1])).max()))
    for m in range(n - 2, -1, -1):
        result[m] = max(0.0, float((step[m] + onward[m] * result[m + 1 : m + most + 2]).max()))
    return result[:n]
