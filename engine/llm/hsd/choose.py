"""Choose what to draft: the source and length that give the most expected tokens per unit of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Choice", "Option", "choose"]


@dataclass(frozen=True, slots=True)
class Option:
    """A draft that could be verified, whole or cut off after any token."""

    survival: Sequence[float]
    """S_1 ... S_m: the probabilities that the first i drafted tokens are all accepted."""
    cost: Sequence[float] | float = 0.0
    """Time to make the first i tokens, in units of T(1); one number where it does not depend on i."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What to do in one step."""

    option: int
    """Index of the option; -1 decodes one token plainly."""
    length: int
    """Tokens to draft; 0 decodes one token plainly."""
    speed: float
    """Expected tokens per unit T(1)."""


def choose(options: Sequence[Option], costs: Sequence[float], limit: int, *, replay: int = 0) -> Choice:
    """Maximise E(k) / (C(k + 1) + draft cost) over options and lengths k; k = 0 is a choice.

    E(k) = 1 + S_1 + ... + S_k: a verified batch gives the accepted tokens and one of the target's own
    (Leviathan et al. 2023, eq. 1, for survival that need not be geometric). `costs[n]` is C(n) for n = 0 ... widest;
    `replay` rows precede the draft in the batch and cost their share (recurrent models).
    """
    most = min(limit, len(costs) - 2 - replay)
    best = Choice(-1, 0, 1.0 / costs[1 + replay])
    for index, option in enumerate(options):
        expected = 1.0
        for length, alive in enumerate(option.survival[:most], start=1):
            expected += alive
            making = option.cost if isinstance(option.cost, float) else option.cost[length - 1]
            speed = expected / (costs[length + 1 + replay] + making)
            if speed > best.speed:
                best = Choice(index, length, speed)
    return best
