"""Questions made from statements: answered in the text's own words, and asked without them."""

from __future__ import annotations

import random

import pytest

from engine.lobi.cloze import cloze_questions


def asked(passage: str, seeds: int = 40) -> set[tuple[str, str]]:
    """Return all questions that chance makes of a passage."""
    return {one for seed in range(seeds) for one in cloze_questions(passage, random.Random(seed))}


@pytest.mark.parametrize(
    ("statement", "word", "answer"),
    [
        ("Ada Lovelace wrote the first program for a machine.", "who", "Ada Lovelace"),
        ("The Hartwell Dam was built by two hundred farmers of the valley.", "what", "The Hartwell Dam"),
        ("The dam was finished by the farmers in 1871 after long years.", "when", "1871"),
        ("In 1871 the dam was finished by the farmers of the valley.", "in what year", "1871"),
        ("The valley was drained by twelve pumps along the river.", "how many", "twelve"),
        ("The turbines were made near Lake Geneva for the new station.", "which place", "Lake Geneva"),
        ("The station was named after the engineer Hedwig Lorenz that year.", "what", "Hedwig Lorenz"),
    ],
)
def test_span_gives_way_to_a_question_word(statement: str, word: str, answer: str) -> None:
    found = [question for question, told in asked(statement) if told == answer]

    assert any(word in question.casefold() for question in found)
    assert not any(answer in question for question in found)


def test_answers_are_words_of_the_passage_and_no_pronouns() -> None:
    passage = (
        "It was Made in Ghent by three weavers. He said that the Old Bridge of Ghent was closed in May 1902. "
        "They built 1,200 houses near Bruges for the workers of the mill."
    )

    found = {answer for _, answer in asked(passage)}

    assert found >= {"three", "1902", "1,200"}
    assert all(answer in passage for answer in found)
    assert not found & {"It", "He", "They"}


def test_each_statement_is_asked_once_and_no_more_than_wanted() -> None:
    passage = " ".join(f"In 18{year} the mill of Arden was rebuilt by {year} masons again." for year in range(20, 40))

    found = cloze_questions(passage, random.Random(1), most=5)

    assert len(found) == len({answer for _, answer in found}) == 5


def test_the_same_chance_makes_the_same_questions() -> None:
    passage = "Ada Lovelace wrote the first program in 1843 for an engine that was never built by its inventor."

    assert cloze_questions(passage, random.Random(3)) == cloze_questions(passage, random.Random(3))


@pytest.mark.parametrize(
    "passage",
    ["", "Short one.", "nothing in here has a name or a number to ask for.", "```\ncode = 1\n```"],
)
def test_where_nothing_can_be_asked_nothing_is(passage: str) -> None:
    assert not asked(passage, 5)
