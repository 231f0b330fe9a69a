"""Passages that have nothing to do with the question are not read."""

from __future__ import annotations

import pytest

from engine.messages import Passage
from engine.retrieval.relevance import is_near


def passage(text: str, similarity: float | None) -> Passage:
    return Passage("c", "/d.txt", text, None, "", 0, len(text), 1.0, similarity=similarity)


def test_similar_passage_is_near_whatever_its_words() -> None:
    assert is_near("How warm is it?", [passage("Temperature: 20 degrees.", 0.4)])


def test_foreign_passage_is_not_near() -> None:
    assert not is_near("Who painted the Sistine Chapel?", [passage("Empty the drip tray every evening.", 0.03)])


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("What does Zyxel B77 cost?", "The Zyxel B77 costs 12 euros."),
        ("東京の人口は?", "東京の人口は約1400万人です。"),
    ],
)
def test_shared_words_make_up_for_a_low_similarity(query: str, text: str) -> None:
    assert is_near(query, [passage("Something else.", 0.05), passage(text, None)])


def test_nothing_found_is_not_near() -> None:
    assert not is_near("Anything?", [])


def test_question_without_words_needs_similarity() -> None:
    assert not is_near("???", [passage("Some text.", 0.1)])
