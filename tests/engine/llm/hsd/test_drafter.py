"""Drafting by n-grams: what is proposed, and how it turns itself off and on again."""

from __future__ import annotations

import random

import numpy as np
import numpy.typing as npt
import pytest

from engine.llm.hsd.acceptance import Acceptance
from engine.llm.hsd.choose import worth
from engine.llm.hsd.cost import MOST_ROWS, CostCurve
from engine.llm.hsd.drafter import NgramDrafter, Outlook
from engine.llm.hsd.ngram import AGREED, LONGEST_MATCH, SINGLE, Match

STEPPED = CostCurve.of_ratios({1: 1.0, 2: 1.9, 4: 2.9, 8: 4.6, 16: 8.0, 32: 13.5, 63: 22.0}).ratios()
FLAT = CostCurve.of_ratios({1: 1.0, 8: 1.0, 16: 2.0, 63: 8.0}).ratios()
LINEAR = np.arange(64.0)
FREE = np.ones(MOST_ROWS + 1)
TEXT = list(range(200))
"""Two hundred different tokens."""


def following(prompt: list[int], answer: list[int], costs: npt.NDArray[np.float64] = STEPPED) -> NgramDrafter:
    drafter = NgramDrafter(prompt, Outlook(costs))
    for token in answer:
        drafter.append(token)
    return drafter


def proposed(drafter: NgramDrafter, limit: int = 62, replay: int = 0, redo: float = 0.0) -> tuple[int, ...]:
    return drafter.propose(limit, replay=replay, redo=redo)[0]


def test_copy_is_proposed_as_it_goes_on() -> None:
    drafter = following(TEXT, TEXT[:30])
    draft = proposed(drafter)
    assert len(draft) > 8
    assert draft == tuple(TEXT[30 : 30 + len(draft)])


def test_long_match_makes_a_longer_draft_than_a_short_one() -> None:
    lengths = [len(proposed(following(TEXT, TEXT[:said]))) for said in (1, 60)]
    assert lengths[0] < lengths[1]


def test_new_text_is_decoded_plainly() -> None:
    assert proposed(following(TEXT, list(range(300, 330)))) == ()
    assert proposed(following([], [])) == ()


def test_expensive_batches_are_never_proposed() -> None:
    drafter = following(TEXT, TEXT[:60], LINEAR)
    assert drafter.propose(62) == ((), 0.0)


@pytest.mark.parametrize("limit", [0, 1, 3, 15])
def test_limit_is_kept(limit: int) -> None:
    assert len(proposed(following(TEXT, TEXT[:60], FREE), limit)) == limit


@pytest.mark.parametrize("replay", [0, 5, 40, 62, 63, 64])
def test_batch_with_its_replayed_rows_is_no_wider_than_was_measured(replay: int) -> None:
    draft = proposed(following(TEXT, TEXT[:100], FREE), MOST_ROWS, replay)
    assert len(draft) == max(0, MOST_ROWS - 1 - replay)


def test_reading_again_makes_drafts_shorter() -> None:
    drafter = following(TEXT, TEXT[:40])
    assert len(proposed(drafter, redo=0.0)) > len(proposed(drafter, redo=3.0))


def misled(drafter: NgramDrafter, rounds: int) -> None:
    """Say twenty tokens of a copy, then something else, again and again."""
    for number in range(rounds):
        start = 20 * (number % 9)
        for token in (*TEXT[start : start + 20], 1000 + number):
            drafter.append(token)


def test_source_that_misleads_is_turned_off_and_comes_back_on_again() -> None:
    outlook = Outlook(STEPPED)
    assert proposed(following_with(outlook, TEXT[:20])) != ()
    for _ in range(10):
        misled(NgramDrafter(TEXT, outlook), 9)
    assert proposed(following_with(outlook, TEXT[:20])) == ()
    for _ in range(30):
        following_with(outlook, TEXT[:60])
    assert proposed(following_with(outlook, TEXT[:20])) != ()


def following_with(outlook: Outlook, answer: list[int]) -> NgramDrafter:
    drafter = NgramDrafter(TEXT, outlook)
    for token in answer:
        drafter.append(token)
    return drafter


def test_each_token_is_held_against_what_would_have_been_drafted(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int, bool]] = []
    monkeypatch.setattr(Acceptance, "observe", lambda _, match, right: seen.append((match.source, match.length, right)))
    following(TEXT, [*TEXT[:3], 999])
    assert seen == [("prompt", 1, True), ("prompt", 2, True), ("prompt", 3, False)]


def test_gain_is_what_the_step_is_expected_to_bring() -> None:
    outlook = Outlook(FLAT)
    drafter = following_with(outlook, TEXT[:60])
    draft, gain = drafter.propose(7)
    survival = outlook.option(Match("prompt", 60, 60)).survival
    assert gain == pytest.approx(1 + survival[: len(draft)].sum() - FLAT[len(draft) + 1])


@pytest.mark.parametrize("length", [1, 4, 12, 63, 64])
def test_outlook_gives_survival_and_worth_from_the_length_of_the_match_on(length: int) -> None:
    outlook = Outlook(STEPPED)
    option = outlook.option(Match("answer", length, 0, AGREED))
    hazards = Acceptance().hazards("answer", AGREED)
    values = worth(hazards, STEPPED)
    for ahead in (1, 2, 20, 63):
        rates = [hazards[min(length + step, LONGEST_MATCH) - 1] for step in range(ahead)]
        assert option.survival[ahead - 1] == pytest.approx(np.prod(rates))
        assert option.worth[ahead - 1] == pytest.approx(values[min(length + ahead, LONGEST_MATCH) - 1])


def test_outlook_learns_only_of_the_kind_it_sees() -> None:
    outlook = Outlook(STEPPED)
    seen, other = Match("prompt", 6, 0, SINGLE), Match("prompt", 30, 0)
    before = [outlook.option(match).survival[0] for match in (seen, other)]
    for _ in range(100):
        outlook.observe(seen, right=False)
    assert outlook.option(seen).survival[0] < 0.3 * before[0]
    assert outlook.option(other).survival[0] == pytest.approx(before[1])


def test_costs_may_change_while_drafting() -> None:
    outlook = Outlook(LINEAR)
    assert proposed(following_with(outlook, TEXT[:60])) == ()
    outlook.costs = FLAT
    for _ in range(2):
        drafter = following_with(outlook, TEXT[:60])
    assert proposed(drafter) != ()


def test_drafting_only_reads_the_text() -> None:
    dice = random.Random(3)
    tokens = [dice.randrange(4) for _ in range(300)]
    quiet, busy = following([], []), following([], [])
    for token in tokens:
        quiet.append(token)
        busy.append(token)
        assert proposed(busy, dice.randrange(1, 63)) is not None
    assert proposed(busy) == proposed(quiet)
