"""Acceptance rates: what is believed at first, and how it follows what is seen."""

from __future__ import annotations

import numpy as np
import pytest

from engine.llm.hsd.acceptance import LENGTHS, PRIORS, Acceptance
from engine.llm.hsd.ngram import AGREED, LONGEST_MATCH, MIXED, SINGLE, Match, Source

KINDS: list[tuple[Source, int]] = [(source, support) for source, table in PRIORS.items() for support in table]


def taught(match: Match, outcomes: list[bool]) -> Acceptance:
    made = Acceptance()
    for right in outcomes:
        made.observe(match, right)
    return made


@pytest.mark.parametrize(("source", "support"), KINDS)
def test_priors_are_believed_at_first(source: Source, support: int) -> None:
    hazards = Acceptance().hazards(source, support)
    assert hazards.shape == (LONGEST_MATCH,)
    for at, length in enumerate(LENGTHS):
        beyond = LENGTHS[at + 1] if at + 1 < len(LENGTHS) else LONGEST_MATCH + 1
        assert hazards[length - 1 : beyond - 1].tolist() == pytest.approx(
            [PRIORS[source][support][at]] * (beyond - length)
        )


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.95])
def test_rate_comes_near_what_is_seen(rate: float) -> None:
    dice = np.random.default_rng(1)
    made = taught(Match("prompt", 3, 9), (dice.random(2000) < rate).tolist())
    assert abs(made.hazards("prompt", SINGLE)[2] - rate) < 0.15


def test_one_kind_of_match_teaches_nothing_about_the_others() -> None:
    before, after = Acceptance(), taught(Match("answer", 6, 9, AGREED), [False] * 50)
    for source, support in KINDS:
        changed = np.flatnonzero(before.hazards(source, support) != after.hazards(source, support)) + 1
        assert changed.tolist() == ([5, 6] if (source, support) == ("answer", AGREED) else [])


def test_what_is_long_past_counts_no_more() -> None:
    match = Match("prompt", 1, 9, MIXED)
    turned = taught(match, [False] * 1000 + [True] * 200).hazards("prompt", MIXED)[0]
    fresh = taught(match, [True] * 200).hazards("prompt", MIXED)[0]
    assert turned == pytest.approx(fresh, abs=0.02)


@pytest.mark.parametrize("right", [False, True])
def test_rates_never_become_certain(right: bool) -> None:
    for source, support in KINDS:
        for length in LENGTHS:
            made = taught(Match(source, length, 9, support), [right] * 3000)
            assert 0.0 < made.hazards(source, support)[length - 1] < 1.0


def test_few_observations_move_the_belief_only_a_little() -> None:
    prior = Acceptance().hazards("prompt", SINGLE)[4]
    assert prior * 0.85 < taught(Match("prompt", 5, 9), [False]).hazards("prompt", SINGLE)[4] < prior
