"""Speculative decoding on other machines: the chooser against the best that could be expected, on their cost curves.

Texts are drawn from a process whose rates are known: while nothing matches, a copy begins with some probability; a copy
goes on with a probability that depends on its length. The oracle knows these rates and plays the best policy; the
chooser learns them as it goes. Beside it the answers of the bench are decoded on paper, on each curve.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.llm.hsd.cost import MOST_ROWS, CostCurve
from engine.llm.hsd.drafter import Outlook
from engine.llm.hsd.ngram import LONGEST_MATCH, Match
from engine.llm.hsd.simulate import replay, text_oracle

__all__ = ["Process", "Trace", "chooser_speed", "oracle_speed", "simulated", "simulated_curves", "speeds", "spent"]

Q4_1_COSTS = {1: 1.0, 4: 2.9, 8: 4.6, 16: 8.0, 64: 22.0}
Q8_0_COSTS = {1: 1.0, 4: 2.7, 8: 4.1, 16: 7.4, 64: 20.7}
"""C(n) measured on 2 cores; at 64 from n/C(n) = 2.9 and 3.1."""
STEPS = (1, 2, 3, 4, 6, 8, 16, 32, 48, 64)
"""Widths at which the cost of a batch steps up: up to each, it costs as much as at it."""
SIMULATED_TOKENS = 30_000
SEED = 7

Trace = tuple[Sequence[int], Sequence[int]]
"""The tokens of a prompt and of its answer."""


@dataclass(frozen=True, slots=True)
class Process:
    """How a kind of text copies."""

    begins: float
    """Probability that a plain token begins a match of length 1."""
    hazards: tuple[float, ...]
    """Probability that the next token follows a match of length 1, 2, ...; the last one holds beyond."""

    def hazard(self, length: int) -> float:
        """Return the probability that a match of this length goes on."""
        return self.hazards[min(length, len(self.hazards)) - 1]


TEXTS = {
    "copy": Process(0.6, (0.5, 0.75, 0.85, 0.9, 0.93, 0.95, 0.96, 0.97, 0.975, 0.98, 0.985, 0.99)),
    "grounded": Process(0.4, (0.25, 0.5, 0.7, 0.76, 0.8, 0.83, 0.86, 0.88, 0.9, 0.93, 0.95, 0.96)),
    "open": Process(0.4, (0.12, 0.25, 0.35, 0.45, 0.55, 0.62, 0.7, 0.75, 0.8, 0.85)),
}


def oracle_speed(process: Process, costs: Sequence[float]) -> float:
    """Return the tokens per T(1) of the best policy: average-reward dynamic programming, the rates known.

    With r tokens per T(1) to beat, h(m) = max over k of E(k) - r C(k + 1) + S_{k+1} h(m + k + 1), and a plain token
    outside of copies is worth 1 - r + b h(1). The best speed is the r at which that is 0.
    """
    low, high = 1.0, float(len(costs))
    for _ in range(40):
        rate = (low + high) / 2
        if 1.0 - rate + process.begins * _advantage(process, costs, rate) > 0:
            low = rate
        else:
            high = rate
    return low


def _advantage(process: Process, costs: Sequence[float], rate: float) -> float:
    """Return h(1)."""
    longest = len(process.hazards)
    values = [0.0] * (longest + len(costs) + 1)
    for length in range(longest, 0, -1):
        alive, expected, best = 1.0, 0.0, float("-inf")
        for drafted in range(len(costs) - 1):
            expected += alive
            alive *= process.hazard(length + drafted)
            gain = expected - rate * costs[drafted + 1]
            if length == longest:  # it stays at this length: h = gain + alive h
                best = max(best, gain / (1.0 - alive))
            else:
                best = max(best, gain + alive * values[min(longest, length + drafted + 1)])
        values[length] = best
    return values[1]


def chooser_speed(process: Process, curve: CostCurve, tokens: int = SIMULATED_TOKENS, seed: int = SEED) -> float:
    """Return the tokens per T(1) of our chooser on a text drawn from a process; it begins with its priors."""
    draw = random.Random(seed).random
    outlook = Outlook(curve.ratios(min(MOST_ROWS, curve.widest)))
    limit = len(outlook.costs) - 2
    said, time, length = 0, 0.0, 0

    def next_token() -> bool:
        """Draw whether the next token follows the copy; the chooser sees it."""
        nonlocal length
        if not length:
            length = int(draw() < process.begins)
            return False
        right = draw() < process.hazard(length)
        outlook.observe(Match("prompt", min(length, LONGEST_MATCH), 0), right)
        length = length + 1 if right else 0
        return right

    while said < tokens:
        drafted = outlook.plan(Match("prompt", min(length, LONGEST_MATCH), 0), limit).length if length else 0
        time += float(outlook.costs[drafted + 1])
        accepted = 0
        while accepted < drafted and next_token():
            accepted += 1
        if accepted == drafted:
            next_token()
        said += accepted + 1
    return said / time


def simulated_curves(own: CostCurve | None) -> dict[str, CostCurve]:
    """Return the cost curves of other machines, and this one's."""
    widths = range(1, STEPS[-1] + 1)
    flat = {width: 1 + 0.01 * (min(width, 8) - 1) for width in widths}
    curves = {
        "flat to 8": {width: flat[width] * max(1.0, width / 8) for width in widths},
        "stepped (Q4_1)": {width: _stepped(Q4_1_COSTS, width) for width in widths},
        "stepped (Q8_0)": {width: _stepped(Q8_0_COSTS, width) for width in widths},
        "linear": {width: float(width) for width in widths},
    }
    made = {name: CostCurve.of_ratios(ratios) for name, ratios in curves.items()}
    return {**made, "this machine": own} if own else made


def _stepped(known: dict[int, float], width: int) -> float:
    """Return the cost at the end of the step that a width lies on, interpolated between the known ones."""
    end = next(step for step in STEPS if step >= width)
    right = next(at for at in known if at >= end)
    left = max((at for at in known if at < right), default=right)
    share = (end - left) / (right - left) if right > left else 1.0
    return known[left] + share * (known[right] - known[left])


def simulated(traces: dict[str, list[Trace]], own: CostCurve | None) -> list[dict[str, Any]]:
    """Return for each curve the speeds of chooser and oracle, where plain decoding is 1.

    `chooser` and `oracle` are means over the kinds of text, each in `texts`; `replayed` has the bench's own answers,
    where the oracle knows in advance how much of each draft will be accepted.
    """
    rows = []
    for name, curve in simulated_curves(own).items():
        costs = curve.ratios(min(MOST_ROWS, curve.widest)).tolist()
        texts = {
            kind: {"chooser": chooser_speed(process, curve), "oracle": oracle_speed(process, costs), "plain": 1.0}
            for kind, process in TEXTS.items()
        }
        means = {key: sum(text[key] for text in texts.values()) / len(texts) for key in ("chooser", "oracle", "plain")}
        replayed = {workload: speeds(spent(some, curve)) for workload, some in traces.items()}
        rows.append({"curve": name, **means, "texts": texts, "replayed": replayed})
    return rows


def spent(traces: Sequence[Trace], curve: CostCurve) -> dict[str, float]:
    """Return the time that some answers take, in units of T(1); the chooser learns from one to the next."""
    outlook = Outlook(curve.ratios(min(MOST_ROWS, curve.widest)))
    replays = [replay(prompt, answer, curve, outlook) for prompt, answer in traces]
    return {
        "plain": sum(each.plain for each in replays),
        "chooser": sum(each.chooser for each in replays),
        "oracle": sum(each.oracle for each in replays),
        "text_oracle": sum(text_oracle(each.tokens, curve) for each in replays),
    }


def speeds(times: dict[str, float]) -> dict[str, float]:
    """Return speeds relative to plain decoding, from times."""
    return {name: times["plain"] / each if each else 1.0 for name, each in times.items()}
