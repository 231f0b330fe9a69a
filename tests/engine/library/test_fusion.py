from __future__ import annotations

import random

import pytest

from engine.library.fusion import K, reciprocal_rank_fusion


def test_scores_follow_the_formula() -> None:
    fused = dict(reciprocal_rank_fusion([["a", "b", "c"], ["c", "a"]]))
    assert fused == pytest.approx({"a": 1 / 61 + 1 / 62, "b": 1 / 62, "c": 1 / 63 + 1 / 61})


@pytest.mark.parametrize("seed", range(8))
def test_any_rankings_are_fused_as_the_paper_says(seed: int) -> None:
    source = random.Random(seed)
    items = [f"chunk {number}" for number in range(40)]
    rankings = [source.sample(items, source.randrange(0, 41)) for _ in range(source.randrange(1, 4))]
    fused = reciprocal_rank_fusion(rankings)
    expected = {
        item: sum(1 / (K + ranking.index(item) + 1) for ranking in rankings if item in ranking)
        for item in {item for ranking in rankings for item in ranking}
    }
    assert dict(fused) == pytest.approx(expected)
    scores = [score for _, score in fused]
    assert scores == sorted(scores, reverse=True)
    assert len(fused) == len(expected)


def test_equal_scores_keep_the_order_of_the_first_ranking() -> None:
    assert [item for item, _ in reciprocal_rank_fusion([["a", "b"], ["b", "a"]])] == ["a", "b"]
    assert [item for item, _ in reciprocal_rank_fusion([["a"], ["b"]])] == ["a", "b"]


def test_what_both_rankings_hold_beats_what_one_holds() -> None:
    assert reciprocal_rank_fusion([["x", "both"], ["y", "both"]])[0][0] == "both"


def test_a_smaller_constant_lets_the_first_place_count_more() -> None:
    wide, narrow = (dict(reciprocal_rank_fusion([["a", "b"]], k=k)) for k in (60, 1))
    assert narrow["a"] / narrow["b"] > wide["a"] / wide["b"]


def test_nothing_gives_nothing() -> None:
    assert reciprocal_rank_fusion([]) == []
    assert reciprocal_rank_fusion([[], []]) == []
