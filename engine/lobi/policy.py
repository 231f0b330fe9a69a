"""From what the user wants of a model to one version of it, or to the sentence that says what would fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.errors import LobiError
from engine.lobi.allocate import Allocation, choose
from engine.lobi.messages import Wish

__all__ = ["Verdict", "allocation_for", "decide", "loss_of_perplexity"]

MIB = 2**20
ROUNDING = 1e-9
"""A figure that was told and is asked for again must fit."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a wish comes to."""

    allocation: Allocation | None
    """None if nothing fits."""
    sentence: str
    """What the version is like; or why nothing fits, and what would."""
    instead: Allocation | None = None
    """The version that the sentence offers where nothing fits."""


def decide(front: Sequence[Allocation], wish: Wish) -> Verdict:
    """Return the version of a front that a wish likes best among those within its limits.

    Where there is none, as few limits as possible are moved, by as little as possible (the sum of the logarithms), and
    what then fits is offered. Raises LobiError if the front is empty.
    """
    if not front:
        raise LobiError("No version of this model was measured: start the measuring again.")
    fitting = [each for each in front if all(excess <= ROUNDING for excess in _excesses(each, wish))]
    if fitting:
        chosen = choose(fitting, prefer=wish.prefer)
        return Verdict(chosen, f"This version takes {_described(chosen)}.")
    nearest = min(front, key=lambda each: (*_missed(each, wish), each.kl, each.bytes))
    relaxed = _relaxed(nearest, wish)
    instead = choose([each for each in front if max(_excesses(each, relaxed)) <= ROUNDING], prefer=wish.prefer)
    return Verdict(None, _refusal(nearest, wish, instead), instead)


def allocation_for(front: Sequence[Allocation], wish: Wish) -> Allocation:
    """Return what `decide` chooses; raise LobiError with its sentence if nothing fits."""
    verdict = decide(front, wish)
    if verdict.allocation is None:
        raise LobiError(verdict.sentence)
    return verdict.allocation


def loss_of_perplexity(ratio: float) -> float:
    """Return the KL divergence, in nats per token, that raises the perplexity by a factor of at least 1.

    Equal where the text is as the reference expects it: ln(ratio) is the mean of log P - log Q over the text, and KL
    the same over P. Raises LobiError for a factor below 1.
    """
    if not 1.0 <= ratio < math.inf:
        raise LobiError("The perplexity allowed must be at least that of the original: give a factor of 1 or more.")
    return math.log(ratio)


def _excesses(each: Allocation, wish: Wish) -> tuple[float, float, float]:
    """Return by how much a version breaks the limits of size, speed and loss, as logarithms; 0 where it does not."""
    size = _over(each.bytes / MIB, wish.memory_mb)
    speed = _over(each.decode_s, None if wish.decode_tps is None else 1.0 / max(wish.decode_tps, 1e-9))
    return size, speed, _over(each.kl, wish.loss)


def _over(value: float, limit: float | None) -> float:
    if limit is None or value <= limit:
        return 0.0
    return math.log(value / limit) if limit > 0.0 else math.inf


def _missed(each: Allocation, wish: Wish) -> tuple[int, float]:
    """Return how many limits a version breaks, and by how much in all."""
    excesses = _excesses(each, wish)
    return sum(excess > ROUNDING for excess in excesses), sum(excesses)


def _relaxed(nearest: Allocation, wish: Wish) -> Wish:
    """Return a wish whose limits are moved just so far that a version keeps them."""
    size, speed, loss = (excess > ROUNDING for excess in _excesses(nearest, wish))
    return replace(
        wish,
        memory_mb=nearest.bytes / MIB if size else wish.memory_mb,
        decode_tps=1.0 / nearest.decode_s if speed else wish.decode_tps,
        loss=nearest.kl if loss else wish.loss,
    )


def _refusal(nearest: Allocation, wish: Wish, instead: Allocation) -> str:
    size, speed, loss = (excess > ROUNDING for excess in _excesses(nearest, wish))
    needs = []
    if size:
        needs.append(f"needs at least {_megabytes(nearest)} MB")
    if speed:
        needs.append(f"decodes at most {_rate(nearest)} tokens/s")
    if loss:
        needs.append(f"loses at least {_loss(nearest)} nats per token")
    others = [
        text
        for text, limit, broken in (
            (f"{wish.memory_mb or 0:.0f} MB", wish.memory_mb, size),
            (f"{wish.decode_tps or 0:.0f} tokens/s", wish.decode_tps, speed),
            (f"a loss of {wish.loss or 0:.4f}", wish.loss, loss),
        )
        if limit is not None and not broken
    ]
    within = f" within {' and '.join(others)}" if others else ""
    return (
        f"No version is as you wish: this model {' and '.join(needs)}{within}; allow that and you get "
        f"{_described(instead)}."
    )


def _described(each: Allocation) -> str:
    return f"{_megabytes(each)} MB, decodes about {_rate(each)} tokens/s and loses {_loss(each)} nats per token"


def _megabytes(each: Allocation) -> int:
    return math.ceil(each.bytes / MIB)


def _rate(each: Allocation) -> str:
    rate = 1.0 / max(each.decode_s, 1e-9)
    return f"{math.floor(rate)}" if rate >= 10.0 else f"{math.floor(rate * 10) / 10:.1f}"


def _loss(each: Allocation) -> str:
    # Sizes and losses are rounded up, rates down: asking for what was told must find it.
    return f"{math.ceil(each.kl * 1e4) / 1e4:.4f}"
