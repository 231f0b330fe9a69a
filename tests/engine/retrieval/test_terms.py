"""Words as the ranking compares them."""

from __future__ import annotations

import pytest

from engine.retrieval.terms import content_terms, estimated_tokens, terms


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Warranties", "warranty"),
        ("Röntgen's", "rontgen"),
        ("café", "cafe"),
        ("descaling", "descaled"),
        ("ＡＢＣ", "abc"),
    ],
)
def test_forms_of_a_word_meet(one: str, other: str) -> None:
    assert terms(one) == terms(other)


def test_text_without_spaces_is_cut_into_overlapping_pairs() -> None:
    assert terms("日本の首都") == ["日本", "本の", "の首", "首都"]
    assert terms("木") == ["木"]


def test_words_of_grammar_carry_no_content() -> None:
    assert content_terms("When was the prize awarded to him?") == terms("prize awarded")
    assert content_terms("the of and") == []


@pytest.mark.parametrize("text", ["", "  \n", "?!…", "🙂"])
def test_text_without_words_has_none(text: str) -> None:
    assert terms(text) == []


def test_other_scripts_take_a_token_for_each_character() -> None:
    assert estimated_tokens("a" * 400) == 101
    assert estimated_tokens("日" * 100) == 101
    assert estimated_tokens("") == 1


def test_long_runs_are_read_whole() -> None:
    assert len(terms("日" * 100_000)) == 99_999
    assert len(terms("x'" * 50_000)) == 1
