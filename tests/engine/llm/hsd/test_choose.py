"""The choice of what to draft, against brute force.

Each oracle says the rule again in the plainest way: by enumeration, by recursion over what may happen next, and by
policy iteration for the best average speed.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from engine.llm.hsd.acceptance import CLASSES, PRIORS, Acceptance
from engine.llm.hsd.choose import Choice, Option, choose, worth
from engine.llm.hsd.cost import MOST_ROWS, CostCurve
from engine.llm.hsd.drafter import Outlook
from engine.llm.hsd.ngram import AGREED, LONGEST_MATCH, Match, Source

Floats = npt.NDArray[np.float64]

WIDTHS = range(1, MOST_ROWS + 1)
STEPS = {1: 1.0, 2: 1.9, 4: 2.9, 8: 4.6, 16: 8.0, 32: 13.5, 64: 22.5}
"""C(n) at the end of each step, of the bundled model on two cores."""
CURVES = {
    "stepped": CostCurve.of_ratios({rows: next(cost for end, cost in STEPS.items() if end >= rows) for rows in WIDTHS}),
    "flat to 8": CostCurve.of_ratios({rows: max(1.0, rows / 8) for rows in WIDTHS}),
    "linear": CostCurve.of_ratios({rows: float(rows) for rows in WIDTHS}),
}
KINDS: list[tuple[Source, int]] = [(source, support) for source, table in PRIORS.items() for support in table]
ON_EACH_CURVE = pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES.keys())


def costs_of(curve: CostCurve, widest: int = MOST_ROWS) -> Floats:
    return curve.ratios(widest)


def random_option(dice: np.random.Generator, longest: int, *, worthless: bool = True, cost: float = 0.0) -> Option:
    survival: Floats = np.cumprod(dice.beta(4.0, 1.0, longest + 1)).astype(np.float64)
    return Option(survival, np.zeros(longest + 1) if worthless else dice.random(longest + 1) * 9, cost)


def is_plain(made: Choice) -> bool:
    return (made.option, made.length) == (-1, 0)


# ---------------------------------------------------------------- one step


def gain_of(option: Option, length: int, costs: Floats, replay: int = 0, redo: float = 0.0) -> float:
    """What a draft of some length brings over plain decoding: every number of accepted tokens is gone through."""
    alive = [1.0, *option.survival.tolist()]
    tokens, again = 0.0, 0.0
    for accepted in range(length + 1):
        here = alive[accepted] - (alive[accepted + 1] if accepted < length else 0.0)
        tokens += here * (accepted + 1)
        if accepted < length:
            again += here * redo * (replay + 1 + accepted)
    time = float(costs[1 + replay + length] - costs[1 + replay]) + 1.0 + option.cost * length + again
    return float(tokens - time + alive[length + 1] * option.worth[length])


def best_gain(options: Sequence[Option], costs: Floats, limit: int, replay: int = 0, redo: float = 0.0) -> float:
    gains = [0.0]
    for option in options:
        for length in range(min(limit, len(option.survival) - 1) + 1):
            if replay + 1 + length < len(costs):
                gains.append(gain_of(option, length, costs, replay, redo))
    return max(gains)


def gain_chosen(made: Choice, options: Sequence[Option], costs: Floats, replay: int = 0, redo: float = 0.0) -> float:
    """The gain of a choice; a plain step keeps what the best of the matches is worth after it."""
    if made.length:
        return gain_of(options[made.option], made.length, costs, replay, redo)
    return max([0.0, *(gain_of(option, 0, costs, replay, redo) for option in options)])


@ON_EACH_CURVE
def test_choice_for_one_step_is_that_of_plain_enumeration(curve: CostCurve) -> None:
    dice, costs, drafted = np.random.default_rng(1), costs_of(curve), 0
    for _ in range(300):
        options = [random_option(dice, int(dice.integers(1, 62))) for _ in range(dice.integers(1, 4))]
        limit = int(dice.integers(0, 64))
        made = choose(options, costs, limit)
        assert made.length <= limit
        assert (made.option == -1) == (made.length == 0)
        assert gain_chosen(made, options, costs) == pytest.approx(best_gain(options, costs, limit), abs=1e-8)
        drafted += made.length > 0
    assert (drafted == 0) == (curve is CURVES["linear"])


@ON_EACH_CURVE
def test_choice_counts_replay_cost_and_future_as_plain_enumeration_does(curve: CostCurve) -> None:
    dice, costs = np.random.default_rng(2), costs_of(curve)
    for _ in range(300):
        cost, redo = float(dice.choice([0.0, 0.1])), float(dice.choice([0.0, 0.3]))
        options = [random_option(dice, int(dice.integers(1, 62)), worthless=False, cost=cost) for _ in range(2)]
        limit, replay = int(dice.integers(1, 64)), int(dice.integers(0, 9))
        made = choose(options, costs, limit, replay=replay, redo=redo)
        best = best_gain(options, costs, limit, replay, redo)
        assert gain_chosen(made, options, costs, replay, redo) == pytest.approx(best, abs=1e-8)
        assert made.length + 1 + replay <= MOST_ROWS
        if made.length:
            chosen = replace(options[made.option], worth=np.zeros(63))
            assert made.gain == pytest.approx(gain_of(chosen, made.length, costs, replay, redo), abs=1e-8)


@pytest.mark.parametrize("rate", [0.3, 0.9, 0.999])
def test_linear_cost_never_drafts(rate: float) -> None:
    costs = costs_of(CURVES["linear"])
    hazards = np.full(LONGEST_MATCH, rate)
    values = worth(hazards, costs)
    assert values.tolist() == [0.0] * LONGEST_MATCH
    assert is_plain(choose([Option(np.cumprod(hazards), values)], costs, 62))


def test_nothing_to_draft_decodes_plainly() -> None:
    costs = costs_of(CURVES["flat to 8"])
    sure = Option(np.full(8, 0.99), np.zeros(8))
    assert is_plain(choose([], costs, 62))
    assert is_plain(choose([sure], costs, 0))
    assert is_plain(choose([sure], costs[:2], 62))
    assert is_plain(choose([sure], costs, 62, replay=MOST_ROWS - 1))
    assert choose([sure], costs, 62).length > 0


def test_free_rows_are_filled_and_costly_ones_are_not() -> None:
    hopeful = Option(np.cumprod(np.full(63, 0.7)), np.zeros(63))
    assert choose([hopeful], costs_of(CURVES["flat to 8"]), 62).length == 7


def test_better_source_is_taken() -> None:
    costs = costs_of(CURVES["stepped"])
    poor, good = (Option(np.cumprod(np.full(63, rate)), np.zeros(63)) for rate in (0.9, 0.97))
    assert choose([poor, good], costs, 62).option == 1
    assert choose([good, poor], costs, 62).option == 0


def test_waiting_for_a_longer_match_can_beat_drafting_at_once() -> None:
    costs = costs_of(CURVES["stepped"])
    hazards = np.array([0.4, 0.6] + [0.99] * 62)
    long = np.concatenate((hazards, np.full(64, hazards[-1])))
    values = worth(hazards, costs)
    early = Option(np.cumprod(long[:63]), np.concatenate((values[1:], np.full(63, values[-1]))))
    assert values[0] > 0
    assert is_plain(choose([early], costs, 62))
    late = Option(np.cumprod(long[2:65]), np.full(63, values[-1]))
    assert choose([late], costs, 62).length > 8


# ---------------------------------------------------------------- what a copy is worth


def worth_by_iteration(hazards: Sequence[float], costs: Sequence[float]) -> list[float]:
    """Apply the rule for J again and again, until nothing changes."""
    n, most = len(hazards), len(costs) - 2
    values = [0.0] * (n + 1)

    def after_step(m: int, drafted: int) -> float:
        alive, tokens = 1.0, 1.0
        for row in range(drafted + 1):
            alive *= hazards[min(m + row, n) - 1]
            tokens += alive if row < drafted else 0.0
        return tokens - costs[drafted + 1] + alive * values[min(m + drafted + 1, n)]

    for _ in range(10_000):
        before = list(values)
        for m in range(1, n + 1):
            values[m] = max(0.0, *(after_step(m, drafted) for drafted in range(most + 1)))
        if max(abs(new - old) for new, old in zip(values, before, strict=True)) < 1e-12:
            break
    return values[1:]


@ON_EACH_CURVE
@pytest.mark.parametrize("widest", [1, 2, 9, 13])
def test_worth_is_the_fixed_point_of_its_rule(curve: CostCurve, widest: int) -> None:
    dice = np.random.default_rng(3)
    for n in (1, 2, 7):
        hazards = np.sort(dice.uniform(0.2, 0.9, n)) if dice.random() < 0.5 else dice.uniform(0.2, 0.9, n)
        costs = costs_of(curve, widest)
        wanted = worth_by_iteration(hazards.tolist(), costs.tolist())
        assert worth(hazards, costs).tolist() == pytest.approx(wanted, abs=1e-9)


def test_worth_of_sure_copies_is_large_and_of_hopeless_ones_nothing() -> None:
    costs = costs_of(CURVES["stepped"])
    assert worth(np.full(LONGEST_MATCH, 0.98), costs).min() > 10
    assert worth(np.full(LONGEST_MATCH, 0.05), costs).max() == 0.0


# ---------------------------------------------------------------- average speed


class Machine:
    """Text of copies: in one, the next token is right with probability a(m); outside one, another begins with b.

    The text is what it is: a policy changes the time from one break to the next, not the tokens. So what saves the most
    time, in a unit that a token is worth, is the fastest on average too, and the chooser can be held to the very best.
    """

    def __init__(self, hazards: Floats, costs: Floats, begin: float) -> None:
        n, most = len(hazards), len(costs) - 2
        self.begin, self.n, self.longest = begin, n, most
        long = np.concatenate((hazards, np.full(most + 1, hazards[-1])))
        self.alive = np.array([np.cumprod(long[m : m + most + 1]) for m in range(n)])
        ones = np.ones((n, 1))
        self.tokens = np.cumsum(np.concatenate((ones, self.alive[:, :most]), axis=1), axis=1)
        self.time = costs[1 : most + 2]

    def speed(self, policy: Sequence[int]) -> float:
        """Tokens per T(1) of drafting policy[m - 1] tokens at match length m: from one break to the next."""
        tokens, time = np.zeros(self.n), np.zeros(self.n)
        for m in range(self.n - 1, -1, -1):
            drafted, ahead = policy[m], min(m + policy[m] + 1, self.n - 1)
            onward = self.alive[m, drafted]
            stays = 1.0 - onward if ahead == m else 1.0
            then = (0.0, 0.0) if ahead == m else (onward * tokens[ahead], onward * time[ahead])
            tokens[m] = (self.tokens[m, drafted] + then[0]) / stays
            time[m] = (self.time[drafted] + then[1]) / stays
        return float((1 / self.begin + tokens[0]) / (1 / self.begin + time[0]))

    def best_policy(self) -> list[int]:
        """Improve the policy against its own speed until it stays the same (Howard 1960)."""
        policy, speed = [0] * self.n, 0.0
        while self.speed(policy) > speed + 1e-12:
            speed = self.speed(policy)
            policy = self._improved(speed)
        return policy

    def _improved(self, speed: float) -> list[int]:
        gain = self.tokens - speed * self.time
        last = gain[-1] / (1.0 - self.alive[-1])
        policy, values = [0] * self.n, np.zeros(self.n)
        policy[-1], values[-1] = int(last.argmax()), float(last.max())
        for m in range(self.n - 2, -1, -1):
            ahead = np.minimum(m + 1 + np.arange(len(self.time)), self.n - 1)
            total = gain[m] + self.alive[m] * values[ahead]
            policy[m], values[m] = int(total.argmax()), float(total.max())
        return policy


def test_policy_iteration_finds_the_best_of_all_policies() -> None:
    dice = np.random.default_rng(4)
    for curve in CURVES.values():
        for begin in (0.05, 0.5):
            machine = Machine(dice.uniform(0.3, 0.97, 4), costs_of(curve, 5), begin)
            best = max(machine.speed(policy) for policy in itertools.product(range(machine.longest + 1), repeat=4))
            assert machine.speed(machine.best_policy()) == pytest.approx(best, abs=1e-12)


def test_speed_of_a_policy_is_what_chance_gives() -> None:
    machine = Machine(np.array([0.5, 0.8, 0.9]), costs_of(CURVES["stepped"], 9), 0.3)
    policy, dice = [0, 2, 6], np.random.default_rng(5)
    tokens, time, m = 0, 0.0, 0
    for _ in range(100_000):
        drafted = policy[m - 1] if m else 0
        chances = machine.alive[m - 1, : drafted + 1] if m else np.array([machine.begin])
        right = int((dice.random() < chances).sum())
        tokens, time = tokens + min(right, drafted) + 1, time + float(machine.time[drafted])
        m = min(m + drafted + 1, 3) if right == drafted + 1 else 0
    assert tokens / time == pytest.approx(machine.speed(policy), rel=0.01)


def policy_of_outlook(outlook: Outlook, source: Source, support: int) -> list[int]:
    options = [outlook.option(Match(source, length, 0, support)) for length in range(1, LONGEST_MATCH + 1)]
    return [choose([option], outlook.costs, 62).length for option in options]


def policy_of_rates(hazards: Floats, costs: Floats) -> list[int]:
    most = len(costs) - 1
    long = np.concatenate((hazards, np.full(most, hazards[-1])))
    values = worth(hazards, costs)
    values = np.concatenate((values, np.full(most, values[-1])))
    options = [Option(np.cumprod(long[m : m + most]), values[m + 1 :]) for m in range(len(hazards))]
    return [choose([option], costs, 62).length for option in options]


@ON_EACH_CURVE
@pytest.mark.parametrize("begin", [0.01, 0.03, 0.1, 0.3, 1.0])
@pytest.mark.parametrize(("source", "support"), KINDS)
def test_chooser_is_near_the_best_speed_and_not_below_plain(
    curve: CostCurve, begin: float, source: Source, support: int
) -> None:
    outlook = Outlook(costs_of(curve))
    machine = Machine(Acceptance().hazards(source, support), outlook.costs, begin)
    speed = machine.speed(policy_of_outlook(outlook, source, support))
    assert speed >= 0.999 * machine.speed(machine.best_policy())
    assert speed >= 0.98


@ON_EACH_CURVE
def test_chooser_is_near_the_best_speed_for_any_rates(curve: CostCurve) -> None:
    dice, costs = np.random.default_rng(6), costs_of(curve)
    for _ in range(40):
        hazards = np.sort(1 - dice.beta(0.5, 2.0, LONGEST_MATCH)).clip(0.01, 0.99)
        machine = Machine(hazards, costs, float(dice.choice([0.01, 0.03, 0.1, 0.3, 1.0])))
        speed = machine.speed(policy_of_rates(hazards, costs))
        assert speed >= 0.999 * machine.speed(machine.best_policy())
        assert speed >= 0.98


MEASURED = np.array([0.45, 0.75, 0.84, 0.88, 0.90, 0.92, 0.94, 0.97, 0.98, 0.985, 0.985, 0.985])


def test_drafting_pays_where_batches_are_cheap() -> None:
    for name, least in (("stepped", 1.2), ("flat to 8", 2.5), ("linear", 0.99)):
        outlook = Outlook(costs_of(CURVES[name]))
        # A text that copies as the bundled model was measured to, which the first beliefs of the outlook fall short of.
        machine = Machine(MEASURED[CLASSES], outlook.costs, 1.0)
        speed = machine.speed(policy_of_outlook(outlook, "prompt", AGREED))
        assert speed > least, (name, speed)
