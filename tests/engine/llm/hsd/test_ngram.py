"""N-gram lookup: against a plain scan of the whole text, and the places where a copy goes on after a break."""

from __future__ import annotations

import random

import pytest

from engine.llm.hsd.ngram import AGREED, LONGEST_MATCH, MATCH_LENGTHS, MIXED, RESUME_WITHIN, SINGLE, Match, NgramIndex

WORDS = list(range(100, 130))
"""Thirty tokens that are all different."""


def index_of(prompt: list[int], answer: list[int]) -> NgramIndex:
    index = NgramIndex(prompt)
    for token in answer:
        index.append(token)
    return index


def shared_before(tokens: list[int], start: int) -> int:
    length = 0
    while length < min(start, LONGEST_MATCH) and tokens[start - 1 - length] == tokens[-1 - length]:
        length += 1
    return length


def scanned(tokens: list[int], starts: range) -> tuple[int, int, int] | None:
    """Look at every place in turn: length, start and support of the match, by the longest n-gram of an indexed size."""
    for size in MATCH_LENGTHS:
        places = [start for start in starts if start >= size and tokens[start - size : start] == tokens[-size:]]
        if places:
            followers = {tokens[start] for start in places}
            support = SINGLE if len(places) == 1 else AGREED if len(followers) == 1 else MIXED
            return shared_before(tokens, places[-1]), places[-1], support
    return None


def expected_matches(prompt: list[int], answer: list[int]) -> list[tuple[int, int, int]]:
    tokens = prompt + answer
    found = [scanned(tokens, range(len(prompt))), scanned(tokens, range(len(prompt), len(tokens)))]
    matches = [match for match in found if match is not None]
    if len(matches) == 2 and tokens[matches[0][1]] == tokens[matches[1][1]]:
        return [(length, start, min(AGREED, support + 1)) for length, start, support in matches]
    return matches


@pytest.mark.parametrize("symbols", [2, 3, 8])
def test_matches_are_those_of_a_plain_scan(symbols: int) -> None:
    dice = random.Random(symbols)
    checked = 0
    for _ in range(150):
        prompt = [dice.randrange(symbols) for _ in range(dice.randrange(40))]
        answer = [dice.randrange(symbols) for _ in range(dice.randrange(30))]
        matches = index_of(prompt, answer).matches()
        wanted = expected_matches(prompt, answer)
        assert [(match.length, match.start, match.support) for match in matches] == wanted
        checked += len(wanted)
    assert checked > 150


def test_sources_are_told_apart_by_where_the_next_token_stands() -> None:
    [in_prompt] = index_of([1, 2, 3], [1, 2]).matches()
    assert in_prompt == Match("prompt", 2, 2)
    [in_answer] = index_of([7, 8], [1, 2, 3, 1, 2]).matches()
    assert in_answer == Match("answer", 2, 4)
    [at_the_seam] = index_of([1, 2], [3, 1, 2]).matches()
    assert at_the_seam == Match("answer", 2, 2)


def test_nothing_is_found_in_a_text_without_repetition() -> None:
    assert NgramIndex().matches() == []
    assert index_of(WORDS[:10], WORDS[10:]).matches() == []


def test_the_latest_of_equal_places_is_taken() -> None:
    [match] = index_of([1, 2, 5, 1, 2, 6], [1, 2]).matches()
    assert (match.start, match.support) == (5, MIXED)


def test_a_match_is_told_to_its_true_length_up_to_a_limit() -> None:
    text = list(range(100))
    for said, length in ((13, 13), (40, 40), (80, LONGEST_MATCH)):
        [match] = index_of(text, text[:said]).matches()
        assert (match.length, match.start) == (length, said)


def test_sources_that_say_the_same_support_each_other() -> None:
    prompt, answer = [1, 2, 3, 9], [1, 2, 3, 8, 1, 2]
    assert [match.support for match in index_of(prompt, answer).matches()] == [AGREED, AGREED]
    contradicting = [1, 2, 4, 8, 1, 2]
    assert [match.support for match in index_of(prompt, contradicting).matches()] == [SINGLE, SINGLE]


def test_draft_is_what_followed() -> None:
    index = index_of(WORDS, WORDS[:5])
    [match] = index.matches()
    assert index.draft(match, 7) == WORDS[5:12]
    assert index.draft(match, 0) == []


def test_draft_beyond_the_end_repeats_the_period() -> None:
    index = index_of([], [1, 2, 3, 1, 2])
    [match] = index.matches()
    assert index.draft(match, 8) == [3, 1, 2, 3, 1, 2, 3, 1]
    alone = index_of([], [5, 5])
    assert alone.draft(alone.matches()[0], 4) == [5, 5, 5, 5]


def copied(index: NgramIndex, tokens: list[int]) -> None:
    """Append tokens as a drafter does, which knows the best match before each."""
    for token in tokens:
        index.append(token, max(index.matches(), key=lambda match: match.length, default=None))


def resumed(index: NgramIndex) -> list[Match]:
    return [match for match in index.matches() if match.source == "resumed"]


@pytest.mark.parametrize(("left_out", "put_in"), [(1, 1), (0, 2), (3, 1), (1, 4)])
def test_broken_copy_goes_on_after_one_matching_token(left_out: int, put_in: int) -> None:
    index = NgramIndex(WORDS)
    copied(index, WORDS[:10] + list(range(put_in)))
    assert resumed(index) == []
    copied(index, [WORDS[10 + left_out]])
    assert resumed(index) == [Match("resumed", 1, 11 + left_out)]


def test_resumed_copy_is_not_proposed_twice() -> None:
    index = NgramIndex(WORDS)
    copied(index, [*WORDS[:10], 1, WORDS[11]])
    starts = [match.start for match in index.matches()]
    assert len(starts) == len(set(starts))


def test_closest_place_wins_among_equal_ones() -> None:
    text = [*WORDS[:10], 50, 7, 51, 7, 52, 7, 53, *WORDS[10:]]
    index = NgramIndex(text)
    # The break is at 50; two tokens later the straight way leads to the place after the second 7's neighbour.
    copied(index, [*WORDS[:10], 1, 2, 3, 7])
    assert [match.start for match in resumed(index)] == [14]


def test_broken_copy_is_given_up_after_some_tokens() -> None:
    index = NgramIndex(WORDS)
    copied(index, [*WORDS[:10], *range(RESUME_WITHIN), WORDS[12]])
    assert len(resumed(index)) == 1
    late = NgramIndex(WORDS)
    copied(late, [*WORDS[:10], *range(RESUME_WITHIN + 1), WORDS[12]])
    assert resumed(late) == []


def test_short_match_that_fails_is_no_broken_copy() -> None:
    index = NgramIndex(WORDS)
    copied(index, [*WORDS[:4], 1, WORDS[5]])
    assert resumed(index) == []


def test_copy_that_is_back_on_its_way_is_no_longer_broken() -> None:
    index = NgramIndex(WORDS)
    copied(index, [*WORDS[:8], 1, *WORDS[9:14]])
    assert len(resumed(index)) == 1
    copied(index, WORDS[14:15])
    assert resumed(index) == []
