"""The cost curve: what a batch of n tokens costs on this machine, against one token.

C(n) = T(n) / T(1), where T(n) is the time of one decode of n tokens with logits for each. No speculation rule is right
for every CPU: C(16) is 8 with the bundled model on two cores and 2.3 with 16-bit weights on the same ones.
"""

from __future__ import annotations

import bisect
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["MOST_EXACT_ROWS", "MOST_ROWS", "CostCurve", "measure", "observed"]

MOST_ROWS = 64
"""Widest batch of a verification; beyond, no CPU gains."""
MOST_EXACT_ROWS = 63
"""From 64 rows on llama.cpp computes attention in tiles: a tenth faster, and rounded otherwise than a single row."""
WIDTHS = (1, 8, 2, 16, 4, MOST_ROWS, 32, 3, 6, 12, 24, 48, 5, 7, 10, 20)
"""What is measured, the most telling first: where time runs out, the rest is interpolated."""
STEP = 1.4
"""What a row may cost more than in a narrower batch, just above a width at which a kernel changes; more is noise."""
ROUNDS = 4
MORE_ROUNDS = 16
"""How often what still looks like noise then is measured again, where time is left."""
QUIET = 1.3
"""Middle by fastest time of the single tokens between which the machine counts as quiet."""
WARM_UP_SHARE = 0.2
"""Of the budget, what decoding the widest batch once without timing it may take."""
DEAR = 0.02
"""Share of the budget from which on a single token is not measured again and again."""
LEARNING_RATE = 0.09
"""Weight of one observed step: the curve was measured behind a short text; ten steps bring it to the present one."""
TRUST = 1.5
"""A step that took this many times what was expected is a disturbance and counts no more than that."""


@dataclass(frozen=True, slots=True)
class CostCurve:
    """Seconds per decode at measured widths, ascending; between them the cost is interpolated."""

    widths: tuple[int, ...]
    seconds: tuple[float, ...]

    def __post_init__(self) -> None:
        # Fewer rows never cost more: a measurement that says so is noise, and the wider one is right.
        sound = list(self.seconds)
        for at in range(len(sound) - 2, -1, -1):
            sound[at] = min(sound[at], sound[at + 1])
        object.__setattr__(self, "seconds", tuple(sound))

    @property
    def widest(self) -> int:
        """The widest batch that was measured."""
        return self.widths[-1]

    def time(self, rows: int) -> float:
        """Return T(rows) in seconds; beyond the widest measured batch the last slope goes on."""
        at = bisect.bisect_left(self.widths, rows)
        if at < len(self.widths) and self.widths[at] == rows:
            return self.seconds[at]
        if len(self.widths) == 1:
            return self.seconds[0] * rows
        at = min(max(at, 1), len(self.widths) - 1)
        left, right = self.widths[at - 1], self.widths[at]
        share = (rows - left) / (right - left)
        return self.seconds[at - 1] + share * (self.seconds[at] - self.seconds[at - 1])

    def ratio(self, rows: int) -> float:
        """Return C(rows) = T(rows) / T(1)."""
        return self.time(rows) / self.seconds[0]

    def ratios(self, rows: int = MOST_ROWS) -> npt.NDArray[np.float64]:
        """Return C(0) = 0, C(1) = 1, ... C(rows), shape (rows + 1,)."""
        return np.array([0.0, *(self.ratio(count) for count in range(1, rows + 1))])

    @classmethod
    def of_ratios(cls, ratios: Mapping[int, float]) -> CostCurve:
        """Make a curve from C(n) at some widths, 1 among them, with T(1) = 1 s."""
        widths = tuple(sorted(ratios))
        return cls(widths, tuple(ratios[width] for width in widths))


def measure(
    decode: Callable[[int], None],
    budget_s: float,
    most_rows: int = MOST_ROWS,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[CostCurve, bool]:
    """Measure T(n) within a budget of seconds; `decode(n)` decodes n tokens and leaves the state as it was.

    Returns the curve, and whether the machine was quiet. Each width keeps its fastest run: what is slower was
    disturbed. A width that would break the budget is left out.
    """
    ends = clock() + budget_s
    begun = clock()
    decode(1)
    # The first decode of a width touches its memory for the first time, and takes half as long again.
    if (clock() - begun) * most_rows / 2 < WARM_UP_SHARE * budget_s:
        decode(most_rows)
    times: dict[int, list[float]] = {}
    wanted = list(dict.fromkeys(min(width, most_rows) for width in WIDTHS))

    def take(width: int) -> None:
        if times and clock() + _guess(times, width) > ends:
            return
        begun = clock()
        decode(width)
        times.setdefault(width, []).append(clock() - begun)

    # Single tokens are measured between all others, since every cost is compared with theirs; with a slow model once.
    for width in [item for _ in range(ROUNDS) for wider in wanted for item in (1, wider)]:
        if not (width == 1 and times and min(times[1]) > DEAR * budget_s):
            take(width)
    for _ in range(MORE_ROUNDS):
        fastest = {width: min(times[width]) for width in sorted(times)}
        for width, sound in zip(fastest, _without_bursts(fastest), strict=True):
            if fastest[width] > sound:
                take(width)
    fastest = {width: min(times[width]) for width in sorted(times)}
    quiet = statistics.median(times[1]) <= QUIET * min(times[1])
    return CostCurve(tuple(fastest), _without_bursts(fastest)), quiet


def _without_bursts(seconds: Mapping[int, float]) -> tuple[float, ...]:
    """Cap what another program's burst has added: a row of a wide batch costs hardly more than in a narrower one."""
    sound: dict[int, float] = {}
    for width, value in seconds.items():
        caps = (STEP * known * width / narrower for narrower, known in sound.items() if narrower > 1)
        sound[width] = min((value, *caps))
    return tuple(sound.values())


def observed(curve: CostCurve, rows: int, seconds: float, unit_s: float) -> CostCurve:
    """Return the curve after a step of `rows` took `seconds` while single tokens take `unit_s`.

    The nearest measured width learns; machines change their ratio with load and depth of the context.
    """
    if rows == 1 or unit_s <= 0.0:
        return curve
    if rows > curve.widest:
        return CostCurve((*curve.widths, rows), (*curve.seconds, seconds / unit_s * curve.seconds[0]))
    nearest = min(range(1, len(curve.widths)), key=lambda at: abs(curve.widths[at] - rows), default=0)
    if nearest == 0:
        return curve
    surprise = seconds / unit_s / curve.ratio(rows)
    surprise = min(TRUST, max(1 / TRUST, surprise))
    values = list(curve.seconds)
    values[nearest] *= 1 + LEARNING_RATE * (surprise - 1)
    # The wider ones keep above it, or the monotone envelope would undo what was learned.
    for at in range(nearest + 1, len(values)):
        values[at] = max(values[at], values[at - 1])
    return CostCurve(curve.widths, tuple(values))


def _guess(times: Mapping[int, list[float]], width: int) -> float:
    """Estimate the time of a width from the nearest measured one."""
    nearest = min(times, key=lambda known: abs(known - width))
    return min(times[nearest]) * max(1.0, width / nearest)
