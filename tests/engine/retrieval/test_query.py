"""Follow-ups are searched with what they lean on."""

from __future__ import annotations

import pytest

from engine.retrieval.query import search_query

PREVIOUS = "How long does the warranty of the coffee machine last?"


@pytest.mark.parametrize(
    "question", ["What does it cover?", "And for tea?", "Which of them are free?", "what about Mondays", "why?"]
)
def test_question_that_leans_on_the_last_one_takes_it_along(question: str) -> None:
    assert search_query(question, PREVIOUS) == f"{PREVIOUS}\n{question}"


@pytest.mark.parametrize("question", ["How much is the travel allowance?", "Who painted the Sistine Chapel?"])
def test_question_that_stands_alone_is_searched_alone(question: str) -> None:
    assert search_query(question, PREVIOUS) == question


def test_first_question_has_nothing_to_lean_on() -> None:
    assert search_query("What is it?", "") == "What is it?"


def test_long_question_stands_alone() -> None:
    long = "Please tell me in detail how it was decided that the western harbour should be closed to all ships"
    assert search_query(long, PREVIOUS) == long
