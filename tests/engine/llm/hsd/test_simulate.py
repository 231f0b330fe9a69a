"""Decoding on paper: against plain recursion, and on text of our own."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache

import pytest

from engine.llm.hsd.cost import CostCurve
from engine.llm.hsd.drafter import Outlook
from engine.llm.hsd.ngram import NgramIndex
from engine.llm.hsd.simulate import replay, text_oracle

CURVES = {
    "stepped": CostCurve.of_ratios({1: 1.0, 2: 1.9, 4: 2.9, 8: 4.6, 16: 8.0, 32: 13.5, 63: 22.5}),
    "flat to 8": CostCurve.of_ratios({1: 1.0, 8: 1.0, 16: 2.0, 63: 7.9}),
    "linear": CostCurve.of_ratios({rows: float(rows) for rows in range(1, 64)}),
}
ON_EACH_CURVE = pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES.keys())
NEW = range(1000, 100_000)
"""Tokens that no prompt holds."""


def text_of(dice: random.Random, prompt: Sequence[int], copies: float, tokens: int) -> list[int]:
    """Make an answer of new tokens and of copies from the prompt, 5 to 60 tokens each."""
    answer: list[int] = []
    while len(answer) < tokens:
        if dice.random() < copies:
            start, length = dice.randrange(len(prompt)), dice.randrange(5, 60)
            answer += prompt[start : start + length]
        else:
            answer.append(dice.choice(NEW))
    return answer[:tokens]


def drafted_right(prompt: Sequence[int], answer: Sequence[int], at: int) -> int:
    """Count the tokens that the best match at a place has right, with an index built anew."""
    index = NgramIndex(prompt)
    for token in answer[:at]:
        index.append(token, max(index.matches(), key=lambda match: match.length, default=None))
    best = 0
    for match in index.matches():
        draft = index.draft(match, len(answer) - at)
        right = 0
        while right < len(draft) and draft[right] == answer[at + right]:
            right += 1
        best = max(best, right)
    return best


def least_time(prompt: Sequence[int], answer: Sequence[int], curve: CostCurve) -> float:
    """Try every way to decode the answer with the matches there are."""

    @cache
    def rest(at: int) -> float:
        if at >= len(answer):
            return 0.0
        most = min(drafted_right(prompt, answer, at), curve.widest - 1)
        return min(curve.ratio(length + 1) + rest(at + length + 1) for length in range(most + 1))

    return rest(1)


@ON_EACH_CURVE
def test_oracle_is_the_best_of_all_ways(curve: CostCurve) -> None:
    dice = random.Random(1)
    for _ in range(20):
        prompt = [dice.randrange(6) for _ in range(20)]
        answer = [dice.randrange(6) for _ in range(dice.randrange(25))]
        made = replay(prompt, answer, curve)
        assert made.oracle == pytest.approx(least_time(prompt, answer, curve) if len(answer) > 1 else 0.0)


@ON_EACH_CURVE
def test_oracle_of_the_text_is_the_best_split(curve: CostCurve) -> None:
    @cache
    def split(left: int) -> float:
        return min((curve.ratio(rows) + split(left - rows) for rows in range(1, min(left, 63) + 1)), default=0.0)

    for tokens in (0, 1, 2, 9, 40, 130):
        assert text_oracle(tokens, curve) == pytest.approx(split(max(0, tokens - 1)))


@ON_EACH_CURVE
@pytest.mark.parametrize("copies", [0.0, 0.1, 0.5])
def test_no_one_beats_the_oracles(curve: CostCurve, copies: float) -> None:
    dice = random.Random(2)
    prompt = dice.sample(range(1000), 300)
    answer = text_of(dice, prompt, copies, 200)
    made = replay(prompt, answer, curve)
    assert text_oracle(len(answer), curve) <= made.oracle + 1e-9
    assert made.oracle <= min(made.chooser, made.plain) + 1e-9
    assert made.plain == len(answer) - 1


@ON_EACH_CURVE
@pytest.mark.parametrize("copies", [0.0, 0.01, 0.1, 0.5])
def test_chooser_is_not_below_plain_in_the_long_run(curve: CostCurve, copies: float) -> None:
    dice, outlook = random.Random(3), Outlook(curve.ratios())
    spent = plain = 0.0
    for _ in range(10):
        prompt = dice.sample(range(1000), 300)
        made = replay(prompt, text_of(dice, prompt, copies, 150), curve, outlook)
        spent, plain = spent + made.chooser, plain + made.plain
    assert spent <= plain / 0.98


def test_linear_machine_decodes_plainly() -> None:
    dice = random.Random(4)
    prompt = dice.sample(range(1000), 300)
    made = replay(prompt, text_of(dice, prompt, 0.5, 200), CURVES["linear"])
    assert (made.chooser, made.oracle, made.drafted) == (made.plain, made.plain, 0)


def test_copies_are_faster_and_accounted_for() -> None:
    prompt = list(range(300))
    made = replay(prompt, prompt[:200], CURVES["stepped"])
    assert made.chooser < 0.6 * made.plain
    assert (made.tokens, made.accepted) == (200, made.drafted)
    assert 100 < made.drafted < 200


def test_wrong_drafts_are_counted() -> None:
    prompt = list(range(300))
    made = replay(prompt, [*prompt[:20], *NEW[:20]], CURVES["flat to 8"])
    assert 0 < made.accepted < made.drafted


@pytest.mark.parametrize("answer", [[], [5]])
def test_answer_that_comes_with_the_prefill_costs_nothing(answer: list[int]) -> None:
    made = replay([1, 2, 3], answer, CURVES["stepped"])
    assert (made.plain, made.chooser, made.oracle, made.drafted) == (0.0, 0.0, 0.0, 0)


def test_what_is_learned_from_one_answer_serves_the_next() -> None:
    prompt = list(range(300))
    curve, outlook = CURVES["stepped"], Outlook(CURVES["stepped"].ratios())
    misleading = [token for at in range(0, 280, 21) for token in (*prompt[at : at + 20], NEW[at])]
    costs = [replay(prompt, misleading, curve, outlook).chooser for _ in range(4)]
    assert costs[-1] < costs[0]
    assert costs[-1] <= (len(misleading) - 1) / 0.98
