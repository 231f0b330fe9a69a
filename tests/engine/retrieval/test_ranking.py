"""What a search shows of its candidates, as numbers."""

from __future__ import annotations

import numpy as np
import pytest

from engine.evidence import Passage
from engine.retrieval.ranking import BY_MEANING, BY_WORDS, NONE_FEATURES, PASSAGE_FEATURES, asked, weigh


def passage(text: str, similarity: float = 0.5, vector_rank: int | None = 0, text_rank: int | None = 0) -> Passage:
    score = None if text_rank is None else 10.0 / (1 + text_rank)
    return Passage(text, "/d", text, None, "", 0, len(text), 0.0, vector_rank, text_rank, similarity, score)


def column(rows: np.ndarray, name: str) -> list[float]:
    return [float(value) for value in rows[:, PASSAGE_FEATURES.index(name)]]


def test_question_tells_what_it_wants() -> None:
    assert asked("How many seats are there?").wants_number
    assert asked("Wann wurde das Haus gebaut?").wants_number
    assert asked("彼はいつ生まれましたか").wants_number
    assert asked("Who wrote it?").wants_name
    assert not asked("Why is the sky blue?").wants_number
    assert not asked("Why is the sky blue?").wants_name


def test_question_of_grammar_alone_is_read_by_all_its_words() -> None:
    assert asked("To be or not to be?").terms != ()
    assert asked("").terms == ()


@pytest.mark.parametrize(("text", "share"), [("What is it?", 0.0), ("日本の首都", 1.0), ("東京 ab", 0.5), ("123", 0.0)])
def test_foreign_is_the_share_of_letters_beyond_latin(text: str, share: float) -> None:
    assert asked(text).foreign == share


def test_rows_describe_both_rankings_and_the_words_in_common() -> None:
    question = asked("How tall is the old lighthouse?")
    rows = weigh(
        question,
        [
            passage("The old lighthouse is 31 metres tall.", 0.8, 0, 0),
            passage("Herons stand in the water.", 0.2, 1, None),
            passage("The lighthouse stands.", 0.4, None, 1),
        ],
    ).features
    assert rows.shape == (3, len(PASSAGE_FEATURES))
    assert column(rows, "similarity") == [0.8, 0.2, 0.4]
    assert column(rows, "similarity gap") == pytest.approx([0.0, -0.6, -0.4])
    assert column(rows, "vector place") == [1.0, 0.5, 0.0]
    assert column(rows, "text place") == [1.0, 0.0, 0.5]
    assert column(rows, "bm25 share") == [1.0, 0.0, 0.5]
    coverage = column(rows, "coverage")
    assert coverage[0] == pytest.approx(1.0)
    assert coverage[0] > coverage[2] > coverage[1] == 0.0
    assert column(rows, "has number") == [1.0, 0.0, 0.0]


def test_rare_words_weigh_more() -> None:
    found = weigh(asked("lighthouse water"), [passage("lighthouse"), *[passage(f"water {n}") for n in range(5)]])
    assert found.rarity["lighthous"] > found.rarity["water"]


def test_features_of_both_rankings_count_apart_for_another_script() -> None:
    half = weigh(asked("東京 ab"), [passage("東京", 0.6), passage("ab", 0.4)]).features
    for name in (*BY_MEANING, *BY_WORDS):
        own, foreign = column(half, name), column(half, f"{name}, foreign")
        assert foreign == pytest.approx([0.5 * value for value in own])


def test_search_as_a_whole_is_described_for_none_of_them() -> None:
    clear = weigh(asked("heron"), [passage("heron", 0.9), passage("stone", 0.1, 1, None)]).none
    level = weigh(asked("heron"), [passage("tree", 0.3), passage("stone", 0.3, 1, 1)]).none
    assert clear.shape == (len(NONE_FEATURES),)
    top = NONE_FEATURES.index("top similarity")
    assert (clear[top], level[top]) == (0.9, 0.3)
    entropy = NONE_FEATURES.index("entropy by meaning")
    assert clear[entropy] < 0.1 < 0.99 < level[entropy]


def test_nothing_found_gives_no_rows() -> None:
    found = weigh(asked("anything"), [])
    assert found.features.shape == (0, len(PASSAGE_FEATURES))
    assert np.isfinite(found.none).all()


@pytest.mark.parametrize("text", ["", "   ", "🙂", "x" * 10_000, "\0"])
def test_odd_passages_and_questions_stay_finite(text: str) -> None:
    found = weigh(asked(text), [passage(text, 0.0, None, None), passage("word")])
    assert np.isfinite(found.features).all()
    assert np.isfinite(found.none).all()
